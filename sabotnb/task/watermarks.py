"""The watermark of a task: the minimum over its input channels."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

from sabotnb.protocol import MAX_WATERMARK, MIN_WATERMARK, ChannelEnd

Channel = tuple[int, ChannelEnd]
"""(port, channel)"""


@dataclass(slots=True)
class _Input:
    channel: Channel
    us: int = MIN_WATERMARK
    idle: bool = False
    ended: bool = False
    queued: bool = True


class Watermarks:
    """The minimum over active channels: idle and ended ones do not count, unreported ones hold it back.

    It never decreases: a channel that becomes active again behind it has no effect until it has caught up, and without
    active channels the last value stays.
    """

    def __init__(self, channels: Iterable[Channel]) -> None:
        self._inputs = {channel: _Input(channel) for channel in channels}
        self._idle = 0
        self._now = MIN_WATERMARK
        self._timed = False
        # Every active input is in the heap once, with its watermark or an earlier one, which is corrected when it comes
        # to the top. So a watermark costs log(channels), and the heap does not grow while one input holds others back.
        self._order = count()
        self._heap = [(MIN_WATERMARK, next(self._order), channel) for channel in self._inputs.values()]

    @property
    def idle(self) -> bool:
        """True if every channel that has not ended is idle."""
        return 0 < self._idle == len(self._inputs)

    @property
    def complete(self) -> bool:
        """True if there are channels, and all of them have reported complete event time."""
        return bool(self._inputs) and all(reported.us == MAX_WATERMARK for reported in self._inputs.values())

    def slowest(self) -> tuple[Channel, int] | None:
        """Return the active channel with the smallest watermark, and that watermark; None if none is active."""
        return None if self._lowest() is None else (self._heap[0][2].channel, self._heap[0][2].us)

    def add(self, channel: Channel) -> None:
        """Add a channel; like all others it holds the minimum back until it reports."""
        self._inputs[channel] = joined = _Input(channel)
        heapq.heappush(self._heap, (joined.us, next(self._order), joined))

    def advance(self, channel: Channel, us: int) -> int | None:
        """Set the watermark of a channel, which makes it active; returns the new minimum if it has risen."""
        self._timed = True
        reported = self._inputs[channel]
        reported.us = max(us, reported.us)
        self._switch(reported, idle=False)
        return self._risen()

    def set_idle(self, channel: Channel, *, idle: bool) -> int | None:
        """Set a channel idle or active; returns the new minimum if it has risen."""
        self._switch(self._inputs[channel], idle=idle)
        return self._risen()

    def end(self, channel: Channel) -> int | None:
        """Remove a channel that has ended; returns the new minimum if it has risen."""
        ended = self._inputs.pop(channel)
        self._idle -= ended.idle
        ended.ended = True
        return self._risen()

    def _switch(self, switched: _Input, *, idle: bool) -> None:
        self._idle += idle - switched.idle
        switched.idle = idle
        if not idle and not switched.queued:
            switched.queued = True
            heapq.heappush(self._heap, (switched.us, next(self._order), switched))

    def _risen(self) -> int | None:
        if not self._timed:  # most inputs have no event time, and a gate may have a thousand channels that end
            return None
        lowest = self._lowest()
        if lowest is None or lowest <= self._now:
            return None
        self._now = lowest
        return lowest

    def _lowest(self) -> int | None:
        """Return the minimum over active inputs; None if there is none."""
        while self._heap:
            us, number, first = self._heap[0]
            if first.idle or first.ended:
                first.queued = False
                heapq.heappop(self._heap)
            elif us < first.us:
                heapq.heapreplace(self._heap, (first.us, number, first))
            else:
                return us
        return None
