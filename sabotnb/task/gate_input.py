"""The input of a task that has a gate: each element becomes the work that it causes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from sabotnb.errors import ProtocolError
from sabotnb.metrics import TaskCounters
from sabotnb.protocol import MAX_WATERMARK, Batch, Element, End, EndReason, Gate, Leave, Marker, Status, Watermark
from sabotnb.task import latency_markers
from sabotnb.task.chain import Chain
from sabotnb.task.task_input import Work
from sabotnb.task.watermarks import Watermarks


class GateInput:
    """Feeds what comes through the gate to the chain, and ends its ports when their channels have ended.

    ``channels`` are those of each port; a port that has none (GATHER feeds only task 0) ends at once. A port that all
    of its senders have left does not end: its stream goes on in other tasks, and this one leaves, too.
    """

    def __init__(self, gate: Gate, channels: Mapping[int, Iterable[int]], chain: Chain, counters: TaskCounters) -> None:
        self._gate = gate
        self._chain = chain
        self._counters = counters
        self._open = {port: set(numbers) for port, numbers in channels.items()}
        self._unfed = [port for port, numbers in self._open.items() if not numbers]
        self._watermarks = Watermarks((port, channel) for port, open_ in self._open.items() for channel in open_)
        self._idle = False
        self._next: tuple[int, int, Element] | None = None
        self._reasons = dict.fromkeys(self._unfed, EndReason.EXHAUSTED)
        self._left_ports: set[int] = set()
        self.ended = False

    @property
    def farewell(self) -> End | Leave:
        """Leave if the task's input has left it; STOPPED if anything of it was stopped."""
        if self._left_ports:
            return Leave()
        return End(EndReason.STOPPED if EndReason.STOPPED in self._reasons.values() else EndReason.EXHAUSTED)

    def add(self, port: int, channel: int) -> Work:
        """A channel has joined the gate; until it reports its event time, that of the task stands still.

        Call it before the gate is polled again. Gives what the tasks below are to be told; ProtocolError if the port is
        over.
        """
        if not self._open.get(port):
            raise ProtocolError(f"channel {channel} joins port {port}, which is over")
        self._open[port].add(channel)
        self._watermarks.add((port, channel))
        return self._risen(None)

    def wait(self, timeout: float) -> None:
        if self._next is None and not self._unfed:
            self._next = self._gate.poll(timeout)

    def take(self) -> Work | None:
        """The work of the next element; ProtocolError for those that need checkpoints or rescaling."""
        if self._unfed:
            return self._end_port(self._unfed.pop())
        polled, self._next = self._next or self._gate.poll(0), None
        if polled is None:
            return None
        return self._work(*polled)

    def _work(self, port: int, channel: int, element: Element) -> Work:
        match element:
            case Batch():
                return self._batch(port, element)
            case Watermark(us=us):
                return self._risen(self._watermarks.advance((port, channel), us))
            case Status(idle=idle):
                return self._risen(self._watermarks.set_idle((port, channel), idle=idle))
            case Marker():
                return self._marker(element)
            case End(reason=reason):
                return self._end(port, channel, reason)
            case Leave():
                return self._end(port, channel, None)
        raise ProtocolError(f"a task cannot handle {type(element).__name__} on channel {channel} of port {port}")

    def start(self) -> None:
        """Nothing to do: a gate brings what its senders send."""

    def stop(self) -> None:
        """Nothing to do: the input ends by itself when its sources have."""

    def pause(self) -> None:
        """Nothing to do: only sources pause."""

    def resume(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to release: the gate is the task's."""

    def _batch(self, port: int, batch: Batch) -> Work:
        self._counters.rows_in += batch.data.num_rows
        self._counters.batches_in += 1
        self._counters.bytes_in += batch.nbytes
        return self._chain.process(port, batch.data)

    def _marker(self, marker: Marker) -> Work:
        if marker.kind == latency_markers.KIND:
            self._counters.latency.add(latency_markers.age_of(marker, time.time()))
        yield marker

    def _risen(self, us: int | None) -> Work:
        """What a change of the input's event time, or of who is idle, means for the tasks below."""
        if us is not None:
            if us < MAX_WATERMARK:  # which only says that the rows are complete
                self._counters.watermark = us
            yield from self._chain.on_watermark(us)
            yield Watermark(us)
        if self._watermarks.idle is not self._idle:
            self._idle = self._watermarks.idle
            yield Status(self._idle)

    def _end(self, port: int, channel: int, reason: EndReason | None) -> Work:
        """A channel brings nothing more; ``reason`` is None if its sender has only left."""
        if channel not in self._open.get(port, ()):
            raise ProtocolError(f"channel {channel} of port {port} ended, which is not open")
        self._open[port].remove(channel)
        if reason is not None and self._reasons.get(port) is not EndReason.STOPPED:
            self._reasons[port] = reason
        yield from self._risen(self._watermarks.end((port, channel)))
        if not self._open[port]:
            yield from self._end_port(port)

    def _end_port(self, port: int) -> Work:
        """The work of a port's end, and of the input's if it was the last."""
        if port in self._reasons:
            yield from self._chain.on_end(port, self._reasons[port])
        else:
            self._left_ports.add(port)
        if any(self._open.values()) or self._unfed:
            return
        if isinstance(self.farewell, End):
            yield from self._chain.finish(self.farewell.reason)
        self.ended = True
