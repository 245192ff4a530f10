"""Aligns a cut: it is taken when all channels of a task have delivered it."""

from __future__ import annotations

from sabotnb.errors import ProtocolError
from sabotnb.protocol import ChannelEnd, Cut, Gate
from sabotnb.task.commanded_cuts import NO_CUT


class Alignment:
    """The channels of a gate that have delivered a cut which others have not delivered yet.

    They are blocked: what follows the cut on them belongs to the time after it. A channel that ends need not deliver
    the cut, as everything that it had is before it. The cost of a cut is one step for each channel.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._cut: Cut | None = None
        self._delivered: list[tuple[int, ChannelEnd]] = []
        self._last = NO_CUT

    def deliver(self, port: int, channel: ChannelEnd, cut: Cut) -> None:
        """A channel has delivered ``cut``; ProtocolError for another cut than that of the other channels."""
        expected = self._cut.id if self._cut is not None else None
        if cut.id <= self._last or expected not in (None, cut.id):
            wanted = f"a cut after {self._last}" if expected is None else f"cut {expected}"
            raise ProtocolError(f"channel {channel} of port {port} delivered cut {cut.id}, expected {wanted}")
        self._cut = cut
        self._delivered.append((port, channel))
        self._gate.block(port, channel)

    def complete(self, channels: int) -> Cut | None:
        """Return the cut if all of the ``channels`` that have not ended have delivered it."""
        return self._cut if len(self._delivered) == channels else None

    def take(self, cut: Cut) -> None:
        """The task has taken ``cut``: read on."""
        self._last = cut.id
        self._cut = None
        delivered, self._delivered = self._delivered, []
        for port, channel in delivered:
            self._gate.resume(port, channel)
