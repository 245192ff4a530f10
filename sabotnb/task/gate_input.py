"""The input of a task that has a gate: turns each element into the work that it causes."""

from __future__ import annotations

import time
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
    Element,
    End,
    EndReason,
    Gate,
    Leave,
    Marker,
    RaiseBound,
    Status,
    Watermark,
)
from sabotnb.task import latency_markers
from sabotnb.task.chain import Chain
from sabotnb.task.task_input import Work
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
    ) -> None:
        self._gate = gate
        self._chain = chain
        self._counters = counters
        self._open = {port: set(numbers) for port, numbers in channels.items()}
        self._unfed = [port for port, numbers in self._open.items() if not numbers]
        self._timed = frozenset(self._open if timed is None else timed)
        self._watermarks = Watermarks((port, channel) for port in self._timed for channel in self._open[port])
        self._idle = False
        self._next: tuple[int, ChannelEnd, Element] | None = None
        self._reasons = dict.fromkeys(self._unfed, EndReason.EXHAUSTED)
        self._left_ports: set[int] = set()
        self._arrivals = latency_markers.FirstArrivals()
        self.ended = False

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
        if self._next is None and not self._unfed:
            self._next = self._gate.poll(timeout)

    def take(self) -> Work | None:
        """Return the work of the next element; ProtocolError for cuts, which tasks do not support."""
        if self._unfed:
            return self._end_port(self._unfed.pop())
        polled, self._next = self._next or self._gate.poll(0), None
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
            case End(reason=reason):
                return self._end(port, channel, reason)
            case Leave():
                return self._end(port, channel, None)
        raise ProtocolError(f"a task cannot handle {type(element).__name__} on channel {channel} of port {port}")

    def start(self) -> None:
        """Do nothing: only sources wait for a start."""

    def stop(self) -> None:
        """Do nothing: the input ends when its sources have ended."""

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
        if reason is not None and self._reasons.get(port) is not EndReason.STOPPED:
            self._reasons[port] = reason
        if port in self._timed:
            yield from self._risen(self._watermarks.end((port, channel)))
        if not self._open[port]:
            yield from self._end_port(port)

    def _end_port(self, port: int) -> Work:
        """End a port, and the input if it was the last port."""
        if port in self._reasons:
            yield from self._chain.on_end(port, self._reasons[port])
        else:
            self._left_ports.add(port)
        if any(self._open.values()) or self._unfed:
            return
        if isinstance(self.last_element, End):
            yield from self._chain.finish(self.last_element.reason)
        self.ended = True
