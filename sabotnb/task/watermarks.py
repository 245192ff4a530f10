"""The event time of a task: the least of its inputs'."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sabotnb.protocol.elements import MIN_WATERMARK

Channel = tuple[int, int]
"""(port, channel)"""


@dataclass(slots=True)
class _Input:
    us: int = MIN_WATERMARK
    idle: bool = False


class Watermarks:
    """The minimum over active channels: idle and ended ones are not waited for, unreported ones hold it back.

    It never goes back: a channel that becomes active again behind it changes nothing until it has caught up, and with
    no active channel left the last value stays.
    """

    def __init__(self, channels: Iterable[Channel]) -> None:
        self._inputs = {channel: _Input() for channel in channels}
        self._now = MIN_WATERMARK
        self._timed = False

    @property
    def idle(self) -> bool:
        """True if every channel that has not ended is idle."""
        return bool(self._inputs) and all(channel.idle for channel in self._inputs.values())

    def add(self, channel: Channel) -> None:
        """Let one more channel count; like all others it holds the minimum back until it reports."""
        self._inputs[channel] = _Input()

    def advance(self, channel: Channel, us: int) -> int | None:
        """A channel reports ``us``, which makes it active; gives the new minimum if that has risen."""
        self._timed = True
        reported = self._inputs[channel]
        reported.us, reported.idle = max(us, reported.us), False
        return self._risen()

    def set_idle(self, channel: Channel, *, idle: bool) -> int | None:
        """A channel went idle or active; gives the new minimum if that has risen."""
        self._inputs[channel].idle = idle
        return self._risen()

    def end(self, channel: Channel) -> int | None:
        """A channel ended and holds nobody any more; gives the new minimum if that has risen."""
        del self._inputs[channel]
        return self._risen()

    def _risen(self) -> int | None:
        if not self._timed:  # most inputs have no event time, and a gate may have a thousand channels that end
            return None
        lowest = min((channel.us for channel in self._inputs.values() if not channel.idle), default=self._now)
        if lowest <= self._now:
            return None
        self._now = lowest
        return lowest
