"""The input of a source task: reads its splits.

A cut comes by command, and is taken between two polls, also before the start and while paused: what was polled before
it has passed the chain, so the positions of the open splits divide the rows exactly. At the end of its splits it is
also taken between two of the final results. A task that was stopped takes no cut: the rest of its splits is never read,
and its end acknowledges the cut.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from sabotnb.errors import ProtocolError
from sabotnb.eventtime import DelayedRows, Times
from sabotnb.graph import Operator as Node
from sabotnb.graph import is_partial, specs
from sabotnb.metrics import TaskCounters, WatermarkHolder
from sabotnb.plan import Vertex
from sabotnb.protocol import (
    MAX_WATERMARK,
    AssignSplits,
    Cut,
    End,
    EndReason,
    Finished,
    Gate,
    Polled,
    RaiseBound,
    Reader,
    Source,
    SourceState,
    Split,
    Status,
    TaskRestore,
    Watermark,
)
from sabotnb.task.chain import Chain
from sabotnb.task.commanded_cuts import CommandedCuts
from sabotnb.task.cut_pause import timed_cut
from sabotnb.task.frozen_chain import FrozenChain
from sabotnb.task.latency_markers import LatencyMarkers
from sabotnb.task.source_progress import OpenSplit, SourceProgress
from sabotnb.task.split_supply import SplitSupply
from sabotnb.task.steps import Steps
from sabotnb.task.task_input import OnCut, Work, ignore_cut, last_sent

RETRY_SECONDS = 0.01
"""Seconds until a reader without rows is polled again, if it does not know when it will have some."""

PARTIAL_BATCH_FACTOR = 4
"""Factor for the rows of a batch that the task aggregates before it sends it: each key is sent a quarter as often."""

_CHEAP = (specs.Source, specs.Filter, specs.Project, specs.AssignTimes, specs.Aggregate, specs.Window)


def rows_to_read(vertex: Vertex, batch_rows: int) -> int:
    """Return the limit for the rows of a batch that the source of ``vertex`` reads."""
    chain_specs = [node.spec for node in vertex.operators]
    aggregates = any(map(is_partial, chain_specs))
    if aggregates and all(isinstance(spec, _CHEAP) for spec in chain_specs):
        return batch_rows * PARTIAL_BATCH_FACTOR
    return batch_rows


class SourceInput:
    """Polls the readers of splits; reads no rows before ``start`` and between ``pause`` and ``resume``.

    A bounded source is read split by split, in the order of the ``supply``, which may be empty until more splits are
    handed out. The splits of an endless one are open together and take turns, as none of them ends. The gate of a
    source task has no channels; the task sleeps in it so that commands and credit can wake it.
    """

    def __init__(
        self,
        node: Node,
        source: Source,
        supply: SplitSupply,
        chain: Chain,
        gate: Gate,
        steps: Steps,
        counters: TaskCounters,
        batch_rows: int,
        progress: SourceProgress | None = None,
        on_cut: OnCut = ignore_cut,
    ) -> None:
        self._node = node
        self._source = source
        self._supply = supply
        self._chain = chain
        self._gate = gate
        self._steps = steps
        self._counters = counters
        self._batch_rows = batch_rows
        self._markers = LatencyMarkers(node.id)
        self._progress = progress
        self._endless = isinstance(node.spec, specs.Source) and not node.spec.bounded
        self._on_cut = on_cut
        self._cuts = CommandedCuts()
        self._restored: list[Watermark | Status] = []
        self._finished: list[str] = []
        self._open: deque[OpenSplit] = deque()
        self._polled: Reader | None = None  # that of the rows which are processed, also after a stop has closed it
        self._retry = RETRY_SECONDS
        self._started = False
        self._paused = False
        self._reason = EndReason.EXHAUSTED
        self._ending = False
        self.ended = False
        chain.allow_cuts(lambda: self._ending and bool(self._cuts), lambda: self.take_due_cut() or iter(()))

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
        self._cuts.release()  # the cut that is to hold the source may have failed before it was taken here
        for split in self._open:  # they were not asked for rows meanwhile
            split.polled_at = None

    def restore(self, restore: TaskRestore) -> None:
        """Continue from a cut; the splits that were open come from the supply."""
        self._restored = last_sent(restore)
        if self._progress is not None:
            self._restored += self._progress.restored(restore.memos.get(self._node.id, ()))

    def take_cut(self, cut: Cut, *, hold: bool) -> None:
        """Take ``cut`` before the next poll; with ``hold`` pause after it, until ``resume``. Ignored after ``stop``."""
        if self._reason is not EndReason.STOPPED:
            self._cuts.add(cut, hold=hold)

    def stop(self) -> None:
        """End with STOPPED, also while paused; not before ``start``, as the tasks below may not be there yet."""
        self._paused = False
        self._cuts.clear()
        self._reason = EndReason.STOPPED
        self._supply.clear()
        self.close()

    def assign(self, command: AssignSplits | RaiseBound) -> None:
        """Take splits, or learn of what is left; not after ``stop``."""
        if self._reason is EndReason.STOPPED:
            return
        if isinstance(command, AssignSplits):
            self._supply.add(command)
        else:
            self._supply.raise_bound(command.left)

    def holder(self) -> WatermarkHolder | None:
        if self._progress is None:
            return None
        held = partial(self._progress.holder, self._open, self._supply.bound, self._supply.following)
        return self._steps.run(self._node, "watermark", held)

    def advance_clock(self, times: Times) -> DelayedRows | None:
        if self._polled is None:
            raise ProtocolError(f"{self._node.id} has not polled a split whose clock {len(times)} times could move")
        return self._polled.advance_clock(times)

    def wait(self, timeout: float) -> None:
        if self._reading():
            left = None if self._progress is None else self._progress.seconds_left()
            timeout = min(timeout, self._retry, timeout if left is None else left)
        self._gate.poll(timeout)

    def _reading(self) -> bool:
        return self._started and not self._paused

    @property
    def takes_cut(self) -> bool:
        return self._cuts.in_progress

    def take_due_cut(self) -> Work | None:
        due = self._cuts.take()
        if due is None:
            return None
        cut, hold = due
        if hold:
            self.pause()
        return self._cut(cut)

    def take(self) -> Work | None:
        if not self._reading():
            return None
        if self._restored:
            restored, self._restored = self._restored, []
            return iter(restored)
        while self._supply and (self._endless or not self._open):
            self._open_next()
        if not self._open and self._supply.exhausted:
            return self._end()
        self._retry = float("inf")
        for _ in range(len(self._open)):
            self._open.rotate(-1)
            polled = self._poll(self._open[-1])
            if isinstance(polled, Polled):
                return self._rows(polled)
            if isinstance(polled, Finished):
                return self._finish(self._open.pop())
        elements = self._elements()
        return self._sent(elements) if elements else None

    def close(self) -> None:
        """Close the open readers; StepFailed if that fails."""
        while self._open:
            reader = self._open.pop().reader  # before the close, which must not be repeated if it fails
            self._steps.run(self._node, "close", reader.close)

    def _open_next(self) -> None:
        split = self._supply.begin()
        reader = self._steps.run(self._node, "open", partial(self._source.open, split))
        opened = OpenSplit(split, reader, split.position)
        self._open.append(opened)
        if self._progress is not None:
            self._progress.opened(opened)

    def _poll(self, split: OpenSplit) -> Polled | Finished | None:
        self._polled = split.reader
        if self._progress is not None:
            self._progress.before_poll(split)
        polled = self._steps.run(self._node, "poll", partial(split.reader.poll, self._batch_rows))
        if self._progress is not None:
            self._progress.after_poll(split, rows=isinstance(polled, Polled))
        if isinstance(polled, Polled):
            split.position = polled.position
        elif polled is None:
            due = split.reader.due()
            self._retry = min(self._retry, RETRY_SECONDS if due is None else due)
        return polled

    def _rows(self, polled: Polled) -> Work:
        """Process rows, then those that are delayed; the watermark goes behind both."""
        self._counters.ahead += polled.ahead
        if self._progress is not None:
            yield from self._progress.before_rows()
        for batch in (polled.rows, polled.delayed):
            if batch is not None and batch.num_rows:
                self._counters.rows_in += batch.num_rows
                self._counters.batches_in += 1
                self._counters.bytes_in += batch.nbytes
                yield from self._chain.process(0, batch)
        marker = self._markers.due()
        if marker is not None:
            yield marker
        yield from self._sent(self._elements())

    def _finish(self, finished: OpenSplit) -> Work:
        self._counters.bytes_done += finished.split.nbytes
        self._supply.finish(finished.split)
        self._finished.append(finished.split.id)
        self._steps.run(self._node, "close", finished.reader.close)
        return self._sent(self._elements(at_once=True))

    def _cut(self, cut: Cut) -> Work:
        return timed_cut(self._take(cut), self._counters)

    def _take(self, cut: Cut) -> Work:
        frozen = FrozenChain()
        yield from self._chain.on_cut(cut, frozen)
        if self._progress is not None:
            frozen.memos[self._node.id] = self._progress.memo()
        opened = (*map(self._positioned, self._open), *self._supply.waiting())
        state = SourceState(opened, tuple(self._finished))
        self._on_cut(cut, frozen, state)
        self._cuts.note_taken()
        yield cut

    def _positioned(self, opened: OpenSplit) -> Split:
        """The split at the position behind the rows that were processed."""
        position = opened.position
        if position is not opened.split.position:  # something was polled
            position = self._steps.run(self._node, "position", partial(opened.reader.processed, position))
        return replace(opened.split, position=position)

    def _elements(self, *, at_once: bool = False) -> list[Watermark | Status]:
        if self._progress is None:
            return []
        return self._progress.elements(self._open, self._supply.bound, at_once=at_once)

    def _sent(self, elements: Sequence[Watermark | Status]) -> Work:
        for element in elements:
            if isinstance(element, Watermark):
                yield from self._advance(element.us)
            else:
                yield from self._chain.on_status(idle=element.idle)

    def _advance(self, us: int) -> Work:
        """Advance the event time of the operators and of the tasks downstream."""
        if us < MAX_WATERMARK:  # the maximum is not an event time, it marks complete input
            self._counters.watermark = us
        yield from self._chain.on_watermark(us)

    def _end(self) -> Work:
        self._ending = True
        if self._reason is EndReason.EXHAUSTED and self._progress is not None:
            yield from self._advance(MAX_WATERMARK)
        yield from self._chain.on_end(0, self._reason)
        yield from self._chain.finish(self._reason)
        self.ended = True
