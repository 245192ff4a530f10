"""The input gate of a task."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Condition, Lock

from sabotnb.errors import ProtocolError
from sabotnb.exchange.channel import Channel, ChannelKey, Sealed
from sabotnb.protocol import Element, Queue


@dataclass(frozen=True, slots=True)
class GateStatistics:
    """How full a gate is: bytes held, and channels that have something to read."""

    held: int
    ready: int
    channels: int


class InputGate:
    """All channels into one task, read in turn. Implements ``protocol.channel.Gate``.

    ``keys`` are (port, channel key). One edge feeds a port, so a channel is known by its port and the index of its
    sending task. One thread polls, one adds channels; anybody puts and wakes.
    """

    def __init__(self, keys: Iterable[tuple[int, ChannelKey]]) -> None:
        self._changed = Condition(Lock())
        self._ready: deque[Channel] = deque()
        self._woken = False
        self._closed = False
        # replaced, never changed: other threads read it without the lock
        self._channels = {(port, key.up): Channel(key, port, self._changed, self._ready) for port, key in keys}

    def add(self, port: int, key: ChannelKey) -> Channel:
        """Let one more task send to ``port``; ProtocolError if it does already. A closed gate drops what comes."""
        if (port, key.up) in self._channels:
            raise ProtocolError(f"channel {key} is in its gate already")
        channel = Channel(key, port, self._changed, self._ready)
        if self._closed:
            channel.close()
        self._channels = {**self._channels, (port, key.up): channel}
        return channel

    def channels(self, port: int) -> Sequence[int]:
        """Indexes of the tasks that send to an input port."""
        return [up for fed, up in self._channels if fed == port]

    def all_channels(self) -> Sequence[Channel]:
        """Every channel, in the order in which they were added."""
        return tuple(self._channels.values())

    def poll(self, timeout: float) -> tuple[int, int, Element] | None:
        with self._changed:
            if timeout > 0 and not self._called():
                self._changed.wait_for(self._called, timeout)
            self._woken = False
            if not self._ready:
                return None
            channel = self._ready.popleft()
            element, charge, more = channel.take()
            if more:
                self._ready.append(channel)
        channel.refund(charge)
        return channel.port, channel.key.up, element.open() if isinstance(element, Sealed) else element

    def _called(self) -> bool:
        return self._woken or bool(self._ready)

    def wake(self) -> None:
        with self._changed:
            self._woken = True
            self._changed.notify()

    def block(self, port: int, channel: int) -> None:
        """Offer nothing of this channel until ``resume``: alignment of a cut."""
        self._channels[port, channel].block(blocked=True)

    def resume(self, port: int, channel: int) -> None:
        """Offer what has been queued since ``block``, and what comes."""
        self._channels[port, channel].block(blocked=False)

    def statistics(self) -> GateStatistics:
        """How full the gate is now; from any thread."""
        with self._changed:
            held = sum(channel.held for channel in self._channels.values())
            return GateStatistics(held, len(self._ready), len(self._channels))

    def queues(self) -> tuple[Queue, ...]:
        """The channels that hold something; from any thread, without the lock: each number by itself is right."""
        return tuple(channel.queue() for channel in self._channels.values() if channel.held)

    def close(self) -> None:
        with self._changed:
            self._ready.clear()
            self._closed = True
        for channel in self._channels.values():
            channel.close()
