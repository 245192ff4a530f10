"""The input gate of a task."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Condition, Lock

from sabotnb.exchange.channel import Channel, ChannelKey, Sealed
from sabotnb.protocol.control import Queue
from sabotnb.protocol.elements import Element


@dataclass(frozen=True, slots=True)
class GateStatistics:
    """How full a gate is: bytes held, and channels that have something to read."""

    held: int
    ready: int
    channels: int


class InputGate:
    """All channels into one task, read in turn. Implements ``protocol.channel.Gate``.

    ``keys`` are (port, channel key); a channel's number is its position. One thread polls; anybody puts and wakes.
    """

    def __init__(self, keys: Iterable[tuple[int, ChannelKey]]) -> None:
        self._changed = Condition(Lock())
        self._ready: deque[int] = deque()
        self._woken = False
        self._channels = tuple(
            Channel(key, port, number, self._changed, self._ready) for number, (port, key) in enumerate(keys)
        )

    def channels(self, port: int) -> Sequence[int]:
        """Numbers of the channels of an input port."""
        return [channel.number for channel in self._channels if channel.port == port]

    def all_channels(self) -> Sequence[Channel]:
        """Every channel, by number."""
        return self._channels

    def poll(self, timeout: float) -> tuple[int, int, Element] | None:
        with self._changed:
            if timeout > 0 and not self._called():
                self._changed.wait_for(self._called, timeout)
            self._woken = False
            if not self._ready:
                return None
            channel = self._channels[self._ready.popleft()]
            element, charge, more = channel.take()
            if more:
                self._ready.append(channel.number)
        channel.refund(charge)
        return channel.port, channel.number, element.open() if isinstance(element, Sealed) else element

    def _called(self) -> bool:
        return self._woken or bool(self._ready)

    def wake(self) -> None:
        with self._changed:
            self._woken = True
            self._changed.notify()

    def block(self, number: int) -> None:
        """Offer nothing of this channel until ``resume``: alignment of a cut."""
        self._channels[number].block(blocked=True)

    def resume(self, number: int) -> None:
        """Offer what has been queued since ``block``, and what comes."""
        self._channels[number].block(blocked=False)

    def statistics(self) -> GateStatistics:
        """How full the gate is now; from any thread."""
        with self._changed:
            held = sum(channel.held for channel in self._channels)
            return GateStatistics(held, len(self._ready), len(self._channels))

    def queues(self) -> tuple[Queue, ...]:
        """The channels that hold something; from any thread, without the lock: each number by itself is right."""
        return tuple(channel.queue() for channel in self._channels if channel.held)

    def close(self) -> None:
        with self._changed:
            self._ready.clear()
        for channel in self._channels:
            channel.close()
