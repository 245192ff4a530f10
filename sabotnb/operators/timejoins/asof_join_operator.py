"""The as-of join of two streams: each left row with the right row that is next to it in event time.

Theory of operation. Left rows wait (``TimedRows``) until no right row can come that is nearer: for ``backward`` until
the watermark has passed their time; for ``forward`` and ``nearest`` until it has passed the right row that was found,
or ``tolerance``. Then they are looked up in every run of right rows, and the nearest row of all runs counts. Runs that
have a row of one key at one time are merged, which keeps the smallest row, and the search is repeated. Left rows are
never sorted by key, as nothing looks for them.

A right row is needed as long as left rows that wait, or may come, can find it (``LatestRows``). The oldest left row
that waits holds ``output_watermark`` back, since rows leave with their own time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from sabotnb.graph import AsofJoin, output_schema
from sabotnb.operators.joined_rows import JoinedRows
from sabotnb.operators.memos import Memos, ended_in, times_and_ends, watermark_of
from sabotnb.operators.timejoins.join_side import LEFT, RIGHT, JoinSide
from sabotnb.operators.timejoins.latest_rows import LatestRows
from sabotnb.operators.timejoins.row_run import RowRun
from sabotnb.operators.timejoins.timed_rows import Settling, TimedRows
from sabotnb.protocol import (
    MAX_WATERMARK,
    MIN_WATERMARK,
    Delayed,
    EndReason,
    Operator,
    OperatorContext,
    Out,
    StateSpec,
)

NOWHERE = MAX_WATERMARK
"""The distance of a row that was not found."""


@dataclass(slots=True)
class Nearest:
    """The nearest right row of each left row: the number of its run, its number there (-1: none), and its time."""

    run: np.ndarray
    row: np.ndarray
    time: np.ndarray

    @classmethod
    def of_run(cls, number: int, row: np.ndarray, time: np.ndarray) -> Nearest:
        """What was found in the first run."""
        return cls(np.broadcast_to(np.int64(number), len(row)), row, time)

    def distance(self, times: np.ndarray) -> np.ndarray:
        """How far the rows are from the left times; NOWHERE if there is none."""
        return np.where(self.row >= 0, np.abs(times - self.time), NOWHERE)

    def merge(self, other: Nearest, times: np.ndarray) -> bool:
        """Take the rows of another run, or from the other side of the times, that are nearer.

        True if two runs have a row of the same key and time, so that neither is the right one for certain.
        """
        is_tied = (self.row >= 0) & (other.row >= 0) & (self.time == other.time) & (self.run != other.run)
        is_nearer = other.distance(times) < self.distance(times)
        self.run = np.where(is_nearer, other.run, self.run)
        self.row = np.where(is_nearer, other.row, self.row)
        self.time = np.where(is_nearer, other.time, self.time)
        return bool(is_tied.any())

    def only(self, chosen: np.ndarray) -> Nearest:
        """Those of the left rows that the mask chooses."""
        return Nearest(self.run[chosen], self.row[chosen], self.time[chosen])


class AsofJoinOperator(Operator):
    """Adds to each left row the right row with the same key that is next to it in event time."""

    delayed = Delayed.TAKE

    def __init__(self, spec: AsofJoin, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._right = inputs[RIGHT]
        self._rows = JoinedRows(spec, inputs[LEFT], inputs[RIGHT], output_schema(spec, inputs))
        self._sides = [JoinSide(spec, inputs, port) for port in (LEFT, RIGHT)]
        self._watermark = MIN_WATERMARK
        self._ended: dict[int, EndReason] = {}
        """The exhausted inputs: no partner can come from them. One of a stopped input could have come."""
        self._stopped: set[int] = set()

    def open(self, ctx: OperatorContext) -> None:
        self._ctx = ctx
        self._limit = ctx.config.batch_rows
        left, right = self._sides
        settling = Settling(tracked=True, returned=True, dropped=True)
        waiting = TimedRows(left.input, left.keys, ctx.groups, settling)
        self._waiting = ctx.keyed(StateSpec("left"), waiting)
        reach = 0 if self._spec.direction == "forward" else self._spec.tolerance
        self._latest = ctx.keyed(StateSpec("right"), LatestRows(right.input, right.keys, ctx.groups, reach))

    def process(self, port: int, batch: pa.RecordBatch) -> Iterator[Out]:
        side = self._sides[port]
        (batch, times), late = side.punctual(batch, self._watermark)
        if late is not None:
            self._ctx.counters.count_late(self._ctx.operator, late.batch.num_rows)
            yield side.late(*late)
        valid = side.complete(batch)
        if valid is not None and not valid.all():
            if port == LEFT:
                yield self._rows.only_left(batch.filter(pa.array(~valid)))
            batch, times = batch.filter(pa.array(valid)), times[valid]
        if port == RIGHT:
            self._latest.add(batch, times, times)
            return
        self._waiting.add(batch, times, times)
        if RIGHT in self._ended:
            yield from self._advance(self._watermark)

    def on_watermark(self, us: int) -> Iterable[Out]:
        return self._advance(us)

    def on_end(self, port: int, reason: EndReason) -> Iterator[Out]:
        if reason is EndReason.EXHAUSTED:
            self._ended[port] = reason
        else:
            self._stopped.add(port)
        yield from self._advance(self._watermark)
        if len(self._stopped | set(self._ended)) == len(self._sides):
            self._ctx.counters.waiting_rows += self._waiting.unsettled()

    def memo(self) -> Mapping[str, Any]:
        return times_and_ends(self._watermark, self._ended)

    def restored(self, memos: Memos) -> None:
        self._watermark, self._ended = watermark_of(memos), ended_in(memos)

    def output_watermark(self, us: int) -> int:
        return min(us, self._waiting.oldest())

    def _advance(self, watermark: int) -> Iterator[pa.RecordBatch]:
        """Return the left rows whose partner is certain, and drop the right rows that no left row needs."""
        self._watermark = max(self._watermark, watermark)
        passed = MAX_WATERMARK if RIGHT in self._ended else self._watermark
        for run in list(self._waiting.runs):
            rows = self._decidable(run, passed)
            for start in range(0, len(rows), self._limit):
                yield from self._decided(run, rows[start : start + self._limit], passed)
        self._waiting.expire(passed)
        to_come = MAX_WATERMARK if LEFT in self._ended else self._watermark
        self._latest.expire(min(to_come, self._waiting.oldest()))

    def _decidable(self, run: RowRun, passed: int) -> np.ndarray:
        """The waiting rows whose time has been passed."""
        if run.first >= passed:
            return np.empty(0, np.int64)
        return np.flatnonzero(~run.settled & (run.times < passed))

    def _decided(self, run: RowRun, rows: np.ndarray, passed: int) -> Iterator[pa.RecordBatch]:
        left, times = run.taken(rows), run.times[rows]
        nearest = self._nearest(self._sides[LEFT].probe_keys(left), times)
        if self._spec.direction != "backward" and passed < MAX_WATERMARK:
            farthest = NOWHERE if self._spec.tolerance is None else self._spec.tolerance
            certain = np.minimum(nearest.distance(times), farthest) < passed - times
            rows, left = rows[certain], left.filter(pa.array(certain))
            nearest = nearest.only(certain)
        if len(rows):
            run.settled[rows] = True
            yield self._rows.pairs(left, self._taken(nearest))

    def _nearest(self, keys: Sequence[pa.Array], times: np.ndarray) -> Nearest:
        """The right row of each key and time; of two that are as near, the earlier."""
        tolerance, nearest = self._spec.tolerance, None
        low = np.full(len(times), MIN_WATERMARK) if tolerance is None else times - tolerance
        high = np.full(len(times), MAX_WATERMARK) if tolerance is None else times + tolerance
        is_backward, is_forward = self._spec.direction != "forward", self._spec.direction != "backward"
        met = self._latest.meet(keys, low if is_backward else times, high if is_forward else times)
        ways = [(low, times, True)] * is_backward + [(times, high, False)] * is_forward
        for since, until, is_before in ways:
            for run, slots in met:
                number = self._latest.runs.index(run)
                found = Nearest.of_run(number, *run.index.nearest(slots, since, until, last=is_before))
                if nearest is None:
                    nearest = found
                elif nearest.merge(found, times):
                    self._latest.merge()
                    return self._nearest(keys, times)
        return Nearest.of_run(0, np.full(len(times), -1), times) if nearest is None else nearest

    def _taken(self, nearest: Nearest) -> pa.RecordBatch:
        """The right rows that were found, with nulls for the others."""
        runs = self._latest.runs
        missing = nearest.row < 0
        used = np.unique(nearest.run[~missing]) if len(runs) > 1 else np.zeros(min(len(runs), 1), np.int64)
        if len(used) <= 1:
            rows = runs[int(used[0])].rows if len(used) else self._latest.nothing
            return rows.take(pa.array(nearest.row, mask=missing))
        table = pa.Table.from_batches([runs[number].rows for number in used]).unify_dictionaries()
        starts = np.cumsum([0, *(len(runs[number]) for number in used)])
        at = starts[np.searchsorted(used, np.maximum(nearest.run, used[0]))] + nearest.row
        (batch,) = table.take(pa.array(at, mask=missing)).combine_chunks().to_batches()
        return batch
