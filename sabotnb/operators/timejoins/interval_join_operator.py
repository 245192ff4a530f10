"""The join of two streams on keys and a range of event time.

Theory of operation. Rows of both sides are stored (``TimedRows``). A batch looks for partners among the stored rows of
the other side, and is stored itself: so of two rows that belong together, the one that comes second finds the first,
and every pair is found once, also if both ports read one stream.

*When a row is done.* A left row meets right times up to its high bound, so it is needed until the watermark of the
right input has passed that bound. A right row is needed until the watermark of the left has passed the last left time
that it can meet. A row that was not settled then has no partner: an outer or anti join returns it, once. ``settled``
says that a row has met a partner or has been returned; in semi and anti joins it is not needed any more.

*Watermark.* Pairs have the later of the two times, which is not behind the watermark. Rows that are returned without a
partner, and left rows of a semi join, leave later than their own time; ``output_watermark`` is held back to the oldest
of them.

Without event time, the time of a row is that of its arrival, and the watermark is the clock on the wall.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sabotnb.eventtime import limited_microseconds, wall_clock
from sabotnb.graph import Bound, IntervalJoin, output_schema
from sabotnb.native import TimeProbe
from sabotnb.operators.encoding import taken
from sabotnb.operators.joined_rows import JoinedRows
from sabotnb.operators.memos import Memos, ended_in, times_and_ends, watermark_of
from sabotnb.operators.timejoins.join_side import LEFT, RIGHT, JoinSide, check_whole
from sabotnb.operators.timejoins.row_run import FOREVER, RowRun
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

OUTER = {LEFT: ("left", "full", "anti"), RIGHT: ("right", "full")}
"""The kinds of joins that return rows of a side without a partner."""


class IntervalJoinOperator(Operator):
    """Pairs rows with equal keys whose times are within bounds; ``clock`` returns microseconds of processing time."""

    delayed = Delayed.TAKE

    def __init__(self, spec: IntervalJoin, inputs: Sequence[pa.Schema], clock: Callable[[], int] = wall_clock) -> None:
        self._spec = spec
        self._output = output_schema(spec, inputs)
        self._rows = JoinedRows(spec, inputs[LEFT], inputs[RIGHT], self._output)
        self._sides = [JoinSide(spec, inputs, port) for port in (LEFT, RIGHT)]
        self._clock = clock
        self._watermark = MIN_WATERMARK
        self._ended: dict[int, EndReason] = {}
        """The exhausted inputs: no partner can come from them. One of a stopped input could have come."""
        self._stopped: set[int] = set()
        self._pairs_wanted = spec.how not in ("semi", "anti")
        self._is_awaited = False

    def open(self, ctx: OperatorContext) -> None:
        self._ctx = ctx
        self._limit = ctx.config.batch_rows
        self._stored = [
            ctx.keyed(StateSpec(name), TimedRows(side.input, side.keys, ctx.groups, self._settling(side.port)))
            for name, side in zip(("left", "right"), self._sides, strict=True)
        ]

    def process(self, port: int, batch: pa.RecordBatch) -> Iterator[Out]:
        side = self._sides[port]
        if self._spec.left_time is None:
            self._wake_later()
            yield from self._take(port, batch, np.full(batch.num_rows, self._clock()))
            return
        (batch, times), late = side.punctual(batch, self._watermark)
        if late is not None:
            self._ctx.counters.count_late(self._ctx.operator, late.batch.num_rows)
            yield side.late(*late)
        yield from self._take(port, batch, times)

    def on_watermark(self, us: int) -> Iterable[Out]:
        return self._advance(us) if self._spec.left_time is not None else ()

    def on_wake(self) -> Iterator[Out]:
        if self._spec.left_time is None:
            self._is_awaited = False
            yield from self._advance(self._clock())
            if self._has_rows():
                self._wake_later()

    def on_end(self, port: int, reason: EndReason) -> Iterator[Out]:
        if reason is EndReason.EXHAUSTED:
            self._ended[port] = reason
        else:
            self._stopped.add(port)
        yield from self._advance(self._watermark)
        if len(self._stopped | set(self._ended)) == len(self._sides):
            waiting = [state for port, state in enumerate(self._stored) if self._settling(port).returned]
            self._ctx.counters.waiting_rows += sum(state.unsettled() for state in waiting)

    def memo(self) -> Mapping[str, Any]:
        return times_and_ends(self._watermark, self._ended)

    def restored(self, memos: Memos) -> None:
        self._ended = ended_in(memos)
        if self._spec.left_time is not None:
            self._watermark = watermark_of(memos)
        elif self._has_rows():  # the clock may be that of another machine, and behind: it is read again
            self._wake_later()

    def output_watermark(self, us: int) -> int:
        return min([us, *(state.oldest() for port, state in enumerate(self._stored) if self._settling(port).tracked)])

    def _settling(self, port: int) -> Settling:
        returned = self._spec.how in OUTER[port]
        without_pairs = port == LEFT and not self._pairs_wanted
        return Settling(tracked=returned or without_pairs, returned=returned, dropped=without_pairs)

    def _take(self, port: int, batch: pa.RecordBatch, times: np.ndarray) -> Iterator[Out]:
        """Join rows that are not late with the other side, and store them."""
        valid = self._sides[port].complete(batch)
        if valid is not None and not valid.all():
            if self._settling(port).returned:
                yield from self._alone(port, batch.filter(pa.array(~valid)), times[~valid])
            batch, times = batch.filter(pa.array(valid)), times[valid]
        if not batch.num_rows:
            return
        since, until = self._bounds(batch, times) if port == LEFT else (None, self._right_until(times))
        settled = np.zeros(batch.num_rows, np.bool_)
        yield from self._meet(port, batch, times, since, until, settled)
        if port == LEFT and not self._pairs_wanted:
            left = ~settled
            batch, times, until, settled = batch.filter(pa.array(left)), times[left], until[left], settled[left]
            since = None if since is None else since[left]
        if 1 - port not in self._ended or self._settling(port).returned:
            self._stored[port].add(batch, times, until, since, settled)
        if 1 - port in self._ended:
            yield from self._advance(self._watermark)

    def _meet(
        self,
        port: int,
        batch: pa.RecordBatch,
        times: np.ndarray,
        since: np.ndarray | None,
        until: np.ndarray,
        settled: np.ndarray,
    ) -> Iterator[pa.RecordBatch]:
        """Find the partners of a batch among the stored rows of the other side; marks the rows that have some."""
        keys = self._sides[port].probe_keys(batch)
        if port == LEFT:
            assert since is not None
            low, high = since, until
        else:
            low, high = self._left_times(times)
        for run, slots in self._stored[1 - port].meet(keys, low, high):
            if port == LEFT and not self._pairs_wanted:
                settled |= run.index.any(slots, low, high)
                continue
            exact = port == LEFT or self._is_exact
            bounds = () if exact else (times, run.since, run.until)
            probe = TimeProbe(run.index, slots, low, high, *bounds)
            if not self._pairs_wanted:
                yield from self._settled(run, probe)
                continue
            while (pairs := probe.next(self._limit)) is not None:
                settled[pairs[0]] = True
                yield self._paired(port, batch, times, run, *pairs)
        if port == LEFT and self._spec.how == "semi" and settled.any():
            yield self._rows.only_left(taken(batch, np.flatnonzero(settled)))

    def _settled(self, run: RowRun, probe: TimeProbe) -> Iterator[pa.RecordBatch]:
        """Settle the left rows of a semi or anti join that have met a right row, and return those of a semi join."""
        fresh = probe.settle(run.settled.view(np.uint8))
        if self._spec.how == "semi":
            for start in range(0, len(fresh), self._limit):
                yield self._rows.only_left(run.rows.take(pa.array(fresh[start : start + self._limit])))

    def _paired(
        self,
        port: int,
        batch: pa.RecordBatch,
        times: np.ndarray,
        run: RowRun,
        mine: np.ndarray,
        others: np.ndarray,
    ) -> pa.RecordBatch:
        """The rows of pairs: ``mine`` of the batch, ``others`` of a run of the other side."""
        if self._settling(1 - port).tracked:
            run.settled[others] = True
        own, found = taken(batch, mine), run.rows.take(pa.array(others))
        later = self._join_time(np.maximum(times[mine], run.times[others])) if self._spec.has_join_time else []
        return self._rows.pairs(*((own, found) if port == LEFT else (found, own)), *later)

    def _advance(self, watermark: int) -> Iterator[Out]:
        """Return the rows that have no partner, and drop those that can have none."""
        self._watermark = max(self._watermark, watermark)
        for port, state in enumerate(self._stored):
            passed = MAX_WATERMARK if 1 - port in self._ended else self._watermark
            if self._settling(port).tracked:
                for run, rows in state.due(passed):
                    if self._settling(port).returned:
                        yield from self._lonely(port, run, rows)
            state.expire(passed)

    def _lonely(self, port: int, run: RowRun, rows: np.ndarray) -> Iterator[pa.RecordBatch]:
        for start in range(0, len(rows), self._limit):
            part = rows[start : start + self._limit]
            yield from self._alone(port, run.rows.take(pa.array(part)), run.times[part])

    def _alone(self, port: int, batch: pa.RecordBatch, times: np.ndarray) -> Iterator[pa.RecordBatch]:
        make = self._rows.only_right if port else self._rows.only_left
        yield make(batch, *self._join_time(times))

    def _join_time(self, times: np.ndarray) -> list[pa.Array]:
        if not self._spec.has_join_time:
            return []
        return [pa.array(times, pa.int64()).cast(self._output.field(len(self._output) - 1).type)]

    @property
    def _is_exact(self) -> bool:
        """True if the left times of partners of a right row are a range that follows from its own time."""
        return self._spec.low.column is None and self._spec.high.column is None

    def _bounds(self, batch: pa.RecordBatch, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The smallest and the largest right time that each left row meets; a null bound meets nothing."""
        since, no_low = _bound(self._spec.low, batch, times)
        until, no_high = _bound(self._spec.high, batch, times)
        none = no_low | no_high
        return np.where(none, MAX_WATERMARK, since), np.where(none, MIN_WATERMARK, until)

    def _right_until(self, times: np.ndarray) -> np.ndarray:
        if self._spec.low.column is not None:
            return np.full(len(times), FOREVER)
        return times - self._spec.low.us

    def _left_times(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A range of left times that has those of all partners of right rows."""
        low, high = self._spec.low, self._spec.high
        first = times - high.us if high.column is None else np.full(len(times), MIN_WATERMARK)
        last = times - low.us if low.column is None else np.full(len(times), MAX_WATERMARK)
        return first, last

    def _has_rows(self) -> bool:
        return any(state.runs for state in self._stored)

    def _wake_later(self) -> None:
        """Wake when the rows that are stored now are not needed any more; one call at a time."""
        if not self._is_awaited:
            self._is_awaited = True
            self._ctx.wake_in((self._spec.high.us + 1) / 1e6)


def _bound(bound: Bound, batch: pa.RecordBatch, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bound of each row, and a mask of the rows that have none."""
    if bound.column is None:
        return times + bound.us, np.zeros(len(times), np.bool_)
    column = batch.column(bound.column)
    missing = column.is_null().to_numpy(zero_copy_only=False)
    if missing.any():
        column = column.fill_null(pa.scalar(0, pa.int64()).cast(column.type))
    check_whole(column, bound.column)
    return limited_microseconds(column), missing
