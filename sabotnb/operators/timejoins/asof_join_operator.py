"""The as-of join of two streams: each left row with the right row that is next to it in event time.

Theory of operation. Left rows wait (``TimedRows``) until no right row can come that is nearer: for ``backward`` until
the watermark has passed their time; for ``forward`` and ``nearest`` until it has passed the right row that was found,
or ``tolerance``. Then each run of waiting rows, sorted by key and time, is looked up in every run of right rows, and
the nearest row of all runs counts. Two runs may have a row of one key at one time; then the runs are merged, which
keeps the smallest row, and the search is repeated.

A right row is needed as long as left rows that wait, or may come, can find it (``LatestRows``). The oldest left row
that waits holds ``output_watermark`` back, since rows leave with their own time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sabotnb.graph import AsofJoin, output_schema
from sabotnb.operators.joined_rows import JoinedRows
from sabotnb.operators.timejoins.join_side import LEFT, RIGHT, JoinSide
from sabotnb.operators.timejoins.latest_rows import LatestRows
from sabotnb.operators.timejoins.sorted_run import SortedRun
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

SMALL = 1 << 13
"""Rows of a run of waiting rows that is merged: larger ones would gain nothing, since they wait for a short time."""


@dataclass(slots=True)
class Nearest:
    """The nearest right row of each left row: the number of its run, its number in the run, its time and distance."""

    run: np.ndarray
    row: np.ndarray
    time: np.ndarray
    distance: np.ndarray

    @classmethod
    def none(cls, rows: int) -> Nearest:
        """Nothing found yet."""
        return cls(np.zeros(rows, np.int64), np.full(rows, -1), np.zeros(rows, np.int64), np.full(rows, NOWHERE))

    def offer(self, number: int, run: SortedRun, rows: np.ndarray, found: np.ndarray, times: np.ndarray) -> bool:
        """Take the rows of a run, where ``found``, that are nearer than those known.

        True if another run has a row of the same key and time, so that neither is the right one for certain.
        """
        rows = np.where(found, rows, 0)
        theirs = run.times[rows]
        distance = np.where(found, np.abs(times - theirs), NOWHERE)
        tied = found & (self.row >= 0) & (self.time == theirs) & (self.run != number)
        nearer = distance < self.distance
        self.run[nearer], self.row[nearer] = number, rows[nearer]
        self.time[nearer], self.distance[nearer] = theirs[nearer], distance[nearer]
        return bool(tied.any())

    def only(self, chosen: np.ndarray) -> Nearest:
        """Those of the left rows that the mask chooses."""
        return Nearest(self.run[chosen], self.row[chosen], self.time[chosen], self.distance[chosen])


class AsofJoinOperator(Operator):
    """Adds to each left row the right row with the same key that is next to it in event time."""

    delayed = Delayed.TAKE

    def __init__(self, spec: AsofJoin, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._right = inputs[RIGHT]
        self._rows = JoinedRows(spec, inputs[LEFT], inputs[RIGHT], output_schema(spec, inputs))
        self._sides = [JoinSide(spec, inputs, port) for port in (LEFT, RIGHT)]
        self._watermark = MIN_WATERMARK
        self._ended: set[int] = set()

    def open(self, ctx: OperatorContext) -> None:
        self._ctx = ctx
        self._limit = ctx.config.batch_rows
        left, right = self._sides
        settling = Settling(tracked=True, returned=True, dropped=True)
        waiting = TimedRows(left.input, left.keys, ctx.groups, settling, largest=SMALL)
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

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        if reason is EndReason.EXHAUSTED:
            self._ended.add(port)
        return self._advance(self._watermark)

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

    def _decidable(self, run: SortedRun, passed: int) -> np.ndarray:
        """The waiting rows whose time has been passed, by key and time."""
        if run.first >= passed:
            return np.empty(0, np.int64)
        return np.flatnonzero(~run.settled & (run.times < passed))

    def _decided(self, run: SortedRun, rows: np.ndarray, passed: int) -> Iterator[pa.RecordBatch]:
        left, times = run.taken(rows), run.times[rows]
        nearest = self._nearest(self._sides[LEFT].probe_keys(left), times)
        if self._spec.direction != "backward" and passed < MAX_WATERMARK:
            farthest = NOWHERE if self._spec.tolerance is None else self._spec.tolerance
            certain = np.minimum(nearest.distance, farthest) < passed - times
            rows, left = rows[certain], left.filter(pa.array(certain))
            nearest = nearest.only(certain)
        if len(rows):
            run.settled[rows] = True
            yield self._rows.pairs(left, self._taken(nearest))

    def _nearest(self, keys: Sequence[pa.Array], times: np.ndarray) -> Nearest:
        """The right row of each key and time; of two that are as near, the earlier."""
        ways = {"backward": (True,), "forward": (False,), "nearest": (True, False)}[self._spec.direction]
        found = Nearest.none(len(times))
        for backward in ways:
            for number, run in enumerate(self._latest.runs):
                if self._search(number, run, keys, times, found, backward=backward):
                    self._latest.merge()
                    return self._nearest(keys, times)
        return found

    def _search(
        self,
        number: int,
        run: SortedRun,
        keys: Sequence[pa.Array],
        times: np.ndarray,
        found: Nearest,
        *,
        backward: bool,
    ) -> bool:
        """Offer the rows of a run on one side of the times."""
        tolerance = self._spec.tolerance
        if backward:
            starts, stops = run.ranges(keys, np.full(1, run.first) if tolerance is None else times - tolerance, times)
            return found.offer(number, run, stops - 1, stops > starts, times)
        starts, stops = run.ranges(keys, times, np.full(1, run.last) if tolerance is None else times + tolerance)
        return found.offer(number, run, starts, stops > starts, times)

    def _taken(self, nearest: Nearest) -> pa.RecordBatch:
        """The right rows that were found, with nulls for the others."""
        runs = self._latest.runs
        found = np.where(nearest.row >= 0, nearest.run, -1)
        only = np.flatnonzero(np.bincount(found + 1, minlength=len(runs) + 1)[1:])
        if len(only) <= 1:
            rows = runs[int(only[0])].rows if len(only) else self._latest.nothing
            return rows.take(pa.array(nearest.row, mask=nearest.row < 0))
        table = pa.Table.from_batches([runs[number].rows for number in only]).unify_dictionaries()
        starts = np.cumsum([0, *(len(runs[number]) for number in only)])
        at = starts[np.searchsorted(only, np.maximum(found, only[0]))] + nearest.row
        (batch,) = table.take(pa.array(at, mask=found < 0)).combine_chunks().to_batches()
        return batch
