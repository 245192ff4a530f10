"""The join of the rows of two streams that are in the same window of event time.

Theory of operation. The rows of each side are stored by pane (``windows.window_starts``), as for windows of a single
stream. When the watermark passes the ends of windows, the rows of their panes are joined, those of many short windows
at once (``WindowPairs``), and leave with the bounds of their window in front. A pane is dropped when the last window
that has it has ended.

A row is late for the windows that end before its clock; if these are all its windows it goes to the side output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from sabotnb.graph import WindowJoin
from sabotnb.operators.late_rows import TimedBatch
from sabotnb.operators.memos import Memos, ended_in, times_and_ends, watermark_of
from sabotnb.operators.timejoins.join_side import LEFT, RIGHT, JoinSide
from sabotnb.operators.timejoins.window_pairs import RowsOfWindow, WindowPairs
from sabotnb.operators.windows.admission import admit
from sabotnb.operators.windows.pane_store import PaneStore, Place
from sabotnb.operators.windows.window_schedule import Bounds, WindowSchedule
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
from sabotnb.state import GroupedRows, KeySet

AT_ONCE = 1 << 17
"""Rows from which on the windows that have ended are joined, before further ones are looked at."""

NEEDED = {LEFT: ("inner", "left", "semi", "anti"), RIGHT: ("inner", "right", "semi")}
"""The kinds of joins that return nothing for a window without rows of a side."""


class PaneRows:
    """The rows of one side in a pane; a ``GroupState``."""

    def __init__(self, schema: pa.Schema) -> None:
        self.keyed = GroupedRows(schema, (), 1)

    def add(self, batch: pa.RecordBatch) -> None:
        self.keyed.add(batch)

    def results(self, among: KeySet | None = None) -> Iterator[pa.RecordBatch]:
        """All rows; there are no groups to choose from."""
        return (piece.batch for piece in self.keyed.joined().pieces)


class WindowJoinOperator(Operator):
    """Joins the rows of each window when it ends."""

    delayed = Delayed.TAKE

    def __init__(self, spec: WindowJoin, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._sides = [JoinSide(spec, inputs, port) for port in (LEFT, RIGHT)]
        self._pairs = WindowPairs(spec, self._sides, inputs)
        self._schedule = WindowSchedule(spec.shape)
        self._watermark = MIN_WATERMARK
        self._ended: dict[int, EndReason] = {}

    def open(self, ctx: OperatorContext) -> None:
        self._ctx = ctx
        self._stores = [
            ctx.keyed(StateSpec(name), PaneStore(partial(PaneRows, side.input), side.keys.names, ctx.groups))
            for name, side in zip(("left", "right"), self._sides, strict=True)
        ]

    def process(self, port: int, batch: pa.RecordBatch) -> Iterator[Out]:
        batch, times, clocks = self._sides[port].timed(batch, self._watermark)
        for place, rows in admit(self._schedule.panes, TimedBatch(batch, times), clocks):
            if place is None:
                self._ctx.counters.count_late(self._ctx.operator, rows.batch.num_rows)
                yield self._sides[port].late(*rows)
            else:
                self._add(port, place, rows.batch)

    def on_watermark(self, us: int) -> Iterator[Out]:
        self._follow_moves()
        self._watermark = max(us, self._watermark)
        yield from self._results(self._watermark)
        for pane in self._schedule.expired(self._watermark):
            for store in self._stores:
                store.remove(pane)

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        self._ended[port] = reason
        if len(self._ended) == len(self._sides):
            if all(known is EndReason.EXHAUSTED for known in self._ended.values()):
                return self.on_watermark(MAX_WATERMARK)
            self._count_open()
        return ()

    def memo(self) -> Mapping[str, Any]:
        return times_and_ends(self._watermark, self._ended)

    def restored(self, memos: Memos) -> None:
        self._watermark, self._ended = watermark_of(memos), ended_in(memos)
        self._follow_moves()

    def awaited(self) -> int | None:
        return self._schedule.first()

    def _follow_moves(self) -> None:
        """Find out again which windows are awaited, if key groups have come or gone."""
        moved = [store.take_moved() for store in self._stores]  # both have to be asked
        if any(moved):
            self._schedule.begin_again([place for store in self._stores for place in store.panes], self._watermark)

    def _count_open(self) -> None:
        """Count the rows of windows that have not ended; it costs what returning them would."""
        self._ctx.counters.open_windows += sum(batch.num_rows for batch in self._results(MAX_WATERMARK))

    def _add(self, port: int, place: Place, batch: pa.RecordBatch) -> None:
        if not any(store.places(place.pane) for store in self._stores):
            self._schedule.keep(place.pane)
        self._stores[port].state(place).add(batch)
        self._schedule.wait_for(self._schedule.bounds(place.pane, place.admitted))

    def _results(self, us: int) -> Iterator[pa.RecordBatch]:
        """The rows of the windows that end by ``us``."""
        windows: list[RowsOfWindow] = []
        rows = 0
        for bounds in self._schedule.due(us):
            found = self._found(bounds)
            if not any(self._spec.how in NEEDED[port] and not found.sides[port] for port in (LEFT, RIGHT)):
                windows.append(found)
                rows += sum(batch.num_rows for side in found.sides for batch in side)
            if rows >= AT_ONCE:
                yield from self._pairs.joined(windows, self._ctx.config.batch_rows)
                windows, rows = [], 0
        if windows:
            yield from self._pairs.joined(windows, self._ctx.config.batch_rows)

    def _found(self, bounds: Bounds) -> RowsOfWindow:
        """What both sides have in a window; the one a step behind it is waited for from now on."""
        end, start = bounds
        overlapping = bool(self._schedule.panes.step)
        places = [store.of_window(start, end, overlapping=overlapping) for store in self._stores]
        self._schedule.follow(bounds, (place.pane for of in places for place in reversed(of)))
        sides = [
            [batch for place in of for batch in store.panes[place].results()]
            for store, of in zip(self._stores, places, strict=True)
        ]
        return RowsOfWindow(start, end, sides)
