"""The input of a task that has a gate: turns each element into the work that it causes.

Theory of operation of cuts. A cut arrives on every channel that has not ended, and is taken once (``alignment``).

- A channel that ends or leaves while others have delivered the cut is no longer waited for. Its end is worked off
  first, so what a port emits at its end is before the cut, as the end was.
- A cut that was commanded is for tasks without channels: no cut can reach them. As long as a channel is open, it
  will deliver the cut or its end. When the last channel has ended without delivering it, the cut is due, also between
  two of the final results (``Chain.allow_cuts``). If none is due before the task ends, its FINISHED acknowledges it.
- So that final results come when no channel is open, complete event time (MAX_WATERMARK) waits for the ends of the
  channels, which follow it. For the same reason a restored task that has unsent results ends its ports when all
  have ended.
- A restored task first sends the watermark that it had sent. It waits for the start of the sources with that, or for
  the first element: only then the gates of the tasks below it exist.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping

from sabotnb.errors import ProtocolError
from sabotnb.eventtime import DelayedRows, Times
from sabotnb.metrics import TaskCounters, WatermarkHolder
from sabotnb.protocol import (
    MAX_WATERMARK,
    MIN_WATERMARK,
    AssignSplits,
    Batch,
    ChannelEnd,
    Cut,
    Element,
    End,
    EndReason,
    Gate,
    Leave,
    Marker,
    RaiseBound,
    Status,
    TaskRestore,
    Watermark,
)
from sabotnb.task import latency_markers
from sabotnb.task.alignment import Alignment
from sabotnb.task.chain import Chain
from sabotnb.task.commanded_cuts import CommandedCuts
from sabotnb.task.cut_pause import timed_cut
from sabotnb.task.frozen_chain import FrozenChain
from sabotnb.task.task_input import OnCut, Work, ignore_cut, last_sent
from sabotnb.task.watermarks import Watermarks


class GateInput:
    """Feeds the elements of the gate to the chain, and ends a port when its channels have ended.

    ``channels`` are by port; a port without channels (GATHER feeds only task 0) ends at once. A port that all of its
    senders have left does not end: its stream continues in other tasks, and this task leaves, too. ``timed`` are the
    ports whose streams have event time, by default all: the others have no part in the task's event time.
    """

    def __init__(
        self,
        gate: Gate,
        channels: Mapping[int, Iterable[ChannelEnd]],
        chain: Chain,
        counters: TaskCounters,
        timed: Collection[int] | None = None,
        on_cut: OnCut = ignore_cut,
    ) -> None:
        self._gate = gate
        self._chain = chain
        self._counters = counters
        self._open = {port: set(numbers) for port, numbers in channels.items()}
        self._channels = sum(map(len, self._open.values()))
        self._unfed = [port for port, numbers in self._open.items() if not numbers]
        self._ending: deque[int] = deque()  # ports that have ended, which the operators are not told yet
        self._complete = False
        self._alignment = Alignment(gate)
        self._on_cut = on_cut
        self._cuts = CommandedCuts()
        self._restored: list[Watermark | Status] | None = None
        self._started = False
        self._timed = frozenset(self._open if timed is None else timed)
        self._watermarks = Watermarks((port, channel) for port in self._timed for channel in self._open[port])
        self._idle = False
        self._next: tuple[int, ChannelEnd, Element] | None = None
        self._reasons = dict.fromkeys(self._unfed, EndReason.EXHAUSTED)
        self._left_ports: set[int] = set()
        self._arrivals = latency_markers.FirstArrivals()
        self.ended = False
        chain.allow_cuts(lambda: not self._channels and bool(self._cuts), lambda: self.take_due_cut() or iter(()))

    @property
    def last_element(self) -> End | Leave:
        """Leave if all senders of a port have left, else End: STOPPED if any part of the input was stopped."""
        if self._left_ports:
            return Leave()
        return End(EndReason.STOPPED if EndReason.STOPPED in self._reasons.values() else EndReason.EXHAUSTED)

    def add(self, port: int, channel: ChannelEnd) -> Work:
        """Add a channel of the gate; until it reports its event time, the task's event time does not advance.

        Call it before the gate is polled again. Returns elements for the downstream tasks; ProtocolError if the port
        has ended.
        """
        if not self._open.get(port):
            raise ProtocolError(f"channel {channel} joins port {port}, which has ended")
        self._open[port].add(channel)
        self._channels += 1
        if port in self._timed:
            self._watermarks.add((port, channel))
        return self._risen(None)

    def holder(self) -> WatermarkHolder | None:
        slowest = self._watermarks.slowest()
        if slowest is None:
            return None
        (port, channel), us = slowest
        return WatermarkHolder(port, channel.task, us=None if us == MIN_WATERMARK else us)

    def advance_clock(self, times: Times) -> DelayedRows | None:
        """Raise ProtocolError: the rows of a gate come from many splits."""
        raise ProtocolError(f"{len(times)} event times were computed behind an exchange, where no split has a clock")

    def wait(self, timeout: float) -> None:
        if self._next is None and (not self._unfed or self._restored is not None):
            self._next = self._gate.poll(timeout)

    def restore(self, restore: TaskRestore) -> None:
        """Continue from a cut. Which ports have ended is not restored: they end again."""
        self._restored = last_sent(restore)

    def take_cut(self, cut: Cut, *, hold: bool) -> None:
        """Take ``cut`` if no channel delivers it."""
        self._cuts.add(cut, hold=hold)

    @property
    def takes_cut(self) -> bool:
        return self._cuts.in_progress

    def take_due_cut(self) -> Work | None:
        due = None if self._channels else self._cuts.take()
        return None if due is None else self._cut(due[0])

    def take(self) -> Work | None:
        """Return the work of the next element."""
        self._next = self._next or (None if self._unfed else self._gate.poll(0))
        if self._restored is not None and (self._started or self._next is not None):
            restored, self._restored = self._restored, None
            return iter(restored)
        if self._unfed:
            return None if self._restored is not None else self._end_port(self._unfed.pop())
        polled, self._next = self._next, None
        if polled is None:
            return None
        return self._work(*polled)

    def _work(self, port: int, channel: ChannelEnd, element: Element) -> Work:
        match element:
            case Batch():
                return self._batch(port, element)
            case Watermark() | Status():
                return self._event_time(port, channel, element)
            case Marker():
                return self._marker(element)
            case Cut():
                return self._deliver(port, channel, element)
            case End(reason=reason):
                return self._end(port, channel, reason)
            case Leave():
                return self._end(port, channel, None)
        raise ProtocolError(f"a task cannot handle {type(element).__name__} on channel {channel} of port {port}")

    def start(self) -> None:
        """The tasks below can be reached now."""
        self._started = True

    def stop(self) -> None:
        """Start, if that was not said before: the input ends when its sources have ended."""
        self._started = True

    def assign(self, command: AssignSplits | RaiseBound) -> None:
        """Do nothing: only sources have splits."""

    def pause(self) -> None:
        """Do nothing: only sources pause."""

    def resume(self) -> None:
        """Do nothing: only sources pause."""

    def close(self) -> None:
        """Do nothing: the task closes its gate."""

    def _batch(self, port: int, batch: Batch) -> Work:
        self._counters.rows_in += batch.data.num_rows
        self._counters.batches_in += 1
        self._counters.bytes_in += batch.nbytes
        return self._chain.process(port, batch.data)

    def _marker(self, marker: Marker) -> Work:
        if marker.kind == latency_markers.KIND:
            self._counters.latency.add(latency_markers.age_of(marker, time.time()))
        if self._arrivals.note(marker):
            yield marker

    def _event_time(self, port: int, channel: ChannelEnd, element: Watermark | Status) -> Work:
        if port not in self._timed:
            return
        if isinstance(element, Watermark):
            yield from self._risen(self._watermarks.advance((port, channel), element.us))
        else:
            yield from self._risen(self._watermarks.set_idle((port, channel), idle=element.idle))

    def _risen(self, us: int | None) -> Work:
        """Pass a change of the input's event time, or of its idleness, to the chain and the downstream tasks."""
        if us == MAX_WATERMARK or self._complete:
            self._complete = self._watermarks.complete
            us = None if self._complete else MAX_WATERMARK
        if us is not None:
            if us < MAX_WATERMARK:  # the maximum is not an event time, it marks complete input
                self._counters.watermark = us
            yield from self._chain.on_watermark(us)
        if self._watermarks.idle is not self._idle:
            self._idle = self._watermarks.idle
            yield from self._chain.on_status(idle=self._idle)

    def _end(self, port: int, channel: ChannelEnd, reason: EndReason | None) -> Work:
        """End a channel; ``reason`` is None if its sender has left."""
        if channel not in self._open.get(port, ()):
            raise ProtocolError(f"channel {channel} of port {port} has ended twice or does not exist")
        self._open[port].remove(channel)
        self._channels -= 1
        if reason is not None and self._reasons.get(port) is not EndReason.STOPPED:
            self._reasons[port] = reason
        if port in self._timed:
            yield from self._risen(self._watermarks.end((port, channel)))
        if not self._open[port]:
            self._ending.append(port)
        while self._ending and not (self._channels and self._chain.unsent):
            yield from self._end_port(self._ending.popleft())
        yield from self._take_aligned()

    def _deliver(self, port: int, channel: ChannelEnd, cut: Cut) -> Work:
        self._alignment.deliver(port, channel, cut)
        return self._take_aligned()

    def _take_aligned(self) -> Work:
        """Take the cut that all channels have delivered, if there is one, and read on after it."""
        cut = self._alignment.complete(self._channels)
        if cut is not None:
            yield from self._cut(cut)
            self._alignment.take(cut)
            self._cuts.note_delivered(cut)

    def _cut(self, cut: Cut) -> Work:
        return timed_cut(self._take(cut), self._counters)

    def _take(self, cut: Cut) -> Work:
        frozen = FrozenChain()
        yield from self._chain.on_cut(cut, frozen)
        self._on_cut(cut, frozen, None)
        self._cuts.note_taken()
        yield cut

    def _end_port(self, port: int) -> Work:
        """End a port, and the input if it was the last port."""
        if port in self._reasons:
            yield from self._chain.on_end(port, self._reasons[port])
        else:
            self._left_ports.add(port)
        if any(self._open.values()) or self._unfed or self._ending:
            return
        if isinstance(self.last_element, End):
            yield from self._chain.finish(self.last_element.reason)
        self.ended = True
