"""The input gate of a task: all channels that it reads, polled by its thread.

Theory of operation. One condition guards the queues of all channels, ``ready`` and ``woken``, so that one wait covers
any number of channels. Threads of upstream tasks and of connections put elements; the task's thread polls.

- ``ready`` is the queue of channels that have something to read, each at most once. A poll takes one element from the
  first channel and moves the channel to the end: channels take turns, and a fast one cannot starve the others.
- ``block`` removes a channel from ``ready`` while a cut is aligned. The channel still receives, and still takes
  credit, so that its sender stops by itself.
- ``wake`` is remembered until a poll has seen it: it ends the current poll or the next one. A poll that finds an
  element clears it as well, so a woken task has to look at its mailbox before it sleeps here again.
- Refunds and decoding happen after the lock is released: a refund calls into another task, decoding takes time.
- A channel is forgotten when its ``Leave`` or ``End`` is polled. Its key is kept, as it must not be used again: a task
  that is told of all its senders later does not wait for one that has ended. A new attempt at the sending task has
  another key, and may join before the channel of the old one is forgotten.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Condition, Lock

from sabotnb.errors import ProtocolError
from sabotnb.exchange.channel import Channel, ChannelKey, EncodedBatch
from sabotnb.exchange.credit import GateCredit
from sabotnb.protocol import ChannelEnd, Element, End, Leave, Queue


@dataclass(frozen=True, slots=True)
class GateStatistics:
    """How full a gate is: bytes held, channels with something to read, and all channels."""

    held: int
    ready: int
    channels: int


def _ignore(key: ChannelKey) -> None:
    """Do nothing: only the gate itself knows its channels."""


class InputGate:
    """All channels into one task, polled in turn. Implements ``protocol.Gate``.

    ``keys`` are (port, channel key). One edge feeds a port, so port and sending task identify a channel. The task's
    thread polls and adds channels; any thread puts and wakes. ``on_forget`` is called with the key of each channel
    that is forgotten or closed. ``nbytes`` is the budget of all channels; without it each keeps the credit that its
    sender began with. ``clock`` returns seconds.
    """

    def __init__(
        self,
        keys: Iterable[tuple[int, ChannelKey]],
        on_forget: Callable[[ChannelKey], None] = _ignore,
        nbytes: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._on_forget = on_forget
        self._changed = Condition(Lock())
        self._ready: deque[Channel] = deque()
        self._woken = False
        self._closed = False
        self._discarded = False
        self._forgotten: set[tuple[int, ChannelEnd]] = set()
        # changed under the lock; other threads read it without, in one step (``tuple``)
        self._channels = {(port, key.up): Channel(key, port, self._changed, self._ready) for port, key in keys}
        self._credit = GateCredit(nbytes, len(self._channels), clock)

    def add(self, port: int, key: ChannelKey) -> Channel:
        """Add a channel to ``port``; ProtocolError if it is or was there. In a gate that has ended, it ends at once."""
        channel = Channel(key, port, self._changed, self._ready)
        with self._changed:  # an end of the gate at the same time either finds the channel or is seen here
            if self.knows(port, key.up):
                raise ProtocolError(f"channel {key} is already in its gate, or has left it")
            self._channels[port, key.up] = channel
            self._credit.resize(len(self._channels))
            closed, discarded = self._closed, self._discarded
        if closed:
            channel.close()
        elif discarded:
            channel.discard()
        return channel

    def knows(self, port: int, up: ChannelEnd) -> bool:
        """True if a task sends to ``port``, or has sent to it and ended or left."""
        return (port, up) in self._channels or (port, up) in self._forgotten

    def channels(self, port: int) -> Sequence[ChannelEnd]:
        """Return the tasks that send to an input port and have neither ended nor left."""
        return [up for channel_port, up in self._channels if channel_port == port]

    def all_channels(self) -> Sequence[Channel]:
        """Return every channel, in the order in which they were added."""
        return tuple(self._channels.values())

    def poll(self, timeout: float) -> tuple[int, ChannelEnd, Element] | None:
        credit = self._credit
        credit.begin_poll(len(self._ready))
        with self._changed:
            if timeout > 0 and not self._has_event():
                self._changed.wait_for(self._has_event, timeout)
                credit.end_wait()
            self._woken = False
            if not self._ready:
                return None
            channel = self._ready.popleft()
            element, charge, refund, more = channel.take(credit.per_channel)
            if more:
                self._ready.append(channel)
        if charge:
            credit.consume(id(channel), charge)
            channel.refund(refund)
        if isinstance(element, EncodedBatch):
            return channel.port, channel.key.up, element.decode()
        if isinstance(element, End | Leave):
            self._forget(channel)
        return channel.port, channel.key.up, element

    def _forget(self, channel: Channel) -> None:
        """Remove a channel whose sender has ended or left."""
        name = channel.port, channel.key.up
        with self._changed:
            del self._channels[name]
            self._credit.resize(len(self._channels))
            self._forgotten.add(name)
        channel.close()
        self._on_forget(channel.key)

    def _has_event(self) -> bool:
        return self._woken or bool(self._ready)

    def wake(self) -> None:
        with self._changed:
            self._woken = True
            self._changed.notify()

    def block(self, port: int, channel: ChannelEnd) -> None:
        """Offer no element of this channel until ``resume``, to align a cut."""
        self._channels[port, channel].block(blocked=True)

    def resume(self, port: int, channel: ChannelEnd) -> None:
        """Offer the elements of this channel again, those queued since ``block`` first."""
        self._channels[port, channel].block(blocked=False)

    def statistics(self) -> GateStatistics:
        """Return how full the gate is; from any thread."""
        with self._changed:
            held = sum(channel.held for channel in self._channels.values())
            return GateStatistics(held, len(self._ready), len(self._channels))

    def queues(self) -> tuple[Queue, ...]:
        """Return the channels that hold elements; from any thread.

        It takes no lock: each number is right by itself, but they may be of different moments.
        """
        return tuple(channel.queue(self._credit.seconds) for channel in self.all_channels() if channel.held)

    def close(self) -> None:
        with self._changed:
            self._ready.clear()
            self._closed = self._discarded = True
            channels = self.all_channels()
        for channel in channels:
            channel.close()
            self._on_forget(channel.key)

    def discard(self) -> None:
        with self._changed:
            self._ready.clear()
            self._discarded = True
            channels = self.all_channels()
        for channel in channels:
            channel.discard()
