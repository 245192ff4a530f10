"""The input of a source task: reads its splits one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from itertools import chain

from sabotnb.graph import Operator as Node
from sabotnb.graph import specs
from sabotnb.metrics import TaskCounters
from sabotnb.plan import Vertex
from sabotnb.protocol import MAX_WATERMARK, End, EndReason, Finished, Gate, Reader, Source, Split, Watermark
from sabotnb.task.chain import Chain
from sabotnb.task.latency_markers import LatencyMarkers
from sabotnb.task.steps import Steps
from sabotnb.task.task_input import Work

RETRY_SECONDS = 0.01
"""Seconds until a reader without rows is polled again, if it does not know when it will have some."""

PARTIAL_BATCH_FACTOR = 4
"""Factor for the rows of a batch that the task aggregates before it sends it: each key is sent a quarter as often."""

_CHEAP = (specs.Source, specs.Filter, specs.Project, specs.Aggregate)


def rows_to_read(vertex: Vertex, batch_rows: int) -> int:
    """Return the limit for the rows of a batch that the source of ``vertex`` reads."""
    chain_specs = [node.spec for node in vertex.operators]
    aggregates = any(isinstance(spec, specs.Aggregate) and spec.phase is specs.Phase.PARTIAL for spec in chain_specs)
    if aggregates and all(isinstance(spec, _CHEAP) for spec in chain_specs):
        return batch_rows * PARTIAL_BATCH_FACTOR
    return batch_rows


class SourceInput:
    """Polls the reader of one split at a time; reads no rows before ``start`` and between ``pause`` and ``resume``.

    The gate of a source task has no channels; the task sleeps in it so that commands and credit can wake it.
    """

    def __init__(
        self,
        node: Node,
        source: Source,
        splits: Sequence[Split],
        chain: Chain,
        gate: Gate,
        steps: Steps,
        counters: TaskCounters,
        batch_rows: int,
    ) -> None:
        self._node = node
        self._source = source
        self._splits = deque(splits)
        self._chain = chain
        self._gate = gate
        self._steps = steps
        self._counters = counters
        self._batch_rows = batch_rows
        self._markers = LatencyMarkers(node.id)
        self._timed = isinstance(node.spec, specs.Source) and node.spec.event_time is not None
        self._reader: Reader | None = None
        self._retry = RETRY_SECONDS
        self._started = False
        self._paused = False
        self._reason = EndReason.EXHAUSTED
        self.ended = False

    @property
    def last_element(self) -> End:
        """End with STOPPED if ``stop`` was called."""
        return End(self._reason)

    def start(self) -> None:
        self._started = True

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def stop(self) -> None:
        """End with STOPPED, also before ``start`` and while paused."""
        self._started, self._paused = True, False
        self._reason = EndReason.STOPPED
        self._splits.clear()
        self.close()

    def wait(self, timeout: float) -> None:
        self._gate.poll(min(timeout, self._retry) if self._reading() else timeout)

    def _reading(self) -> bool:
        return self._started and not self._paused

    def take(self) -> Work | None:
        if not self._reading():
            return None
        if not self._splits:
            return self._end()
        if self._reader is None:
            self._reader = self._steps.run(self._node, "open", partial(self._source.open, self._splits[0]))
        polled = self._steps.run(self._node, "poll", partial(self._reader.poll, self._batch_rows))
        if polled is None:
            due = self._reader.due()
            self._retry = RETRY_SECONDS if due is None else due
            return None
        if isinstance(polled, Finished):
            self._counters.bytes_done += self._splits.popleft().nbytes
            self.close()
            return iter(())
        batch, _ = polled
        self._counters.rows_in += batch.num_rows
        self._counters.batches_in += 1
        self._counters.bytes_in += batch.nbytes
        work = self._chain.process(0, batch)
        marker = self._markers.due()
        return work if marker is None else chain(work, (marker,))

    def close(self) -> None:
        """Close the open reader, if there is one; StepFailed if that fails."""
        reader, self._reader = self._reader, None  # before the close, which must not be repeated if it fails
        if reader is not None:
            self._steps.run(self._node, "close", reader.close)

    def _end(self) -> Work:
        if self._reason is EndReason.EXHAUSTED and self._timed:
            yield from self._chain.on_watermark(MAX_WATERMARK)
            yield Watermark(MAX_WATERMARK)
        yield from self._chain.on_end(0, self._reason)
        yield from self._chain.finish(self._reason)
        self.ended = True
