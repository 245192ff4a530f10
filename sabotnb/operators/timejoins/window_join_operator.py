"""The join of the rows of two streams that are in the same window of event time.

Theory of operation. The rows of each side are stored by pane (``windows.window_starts``), as for windows of a single
stream. When the watermark passes the end of a window, the rows of its panes go through a ``JoinOperator`` of their own,
and leave with the window's bounds in front. A pane is dropped when the last window that has it has ended.

A row is late for the windows that end before its clock; if these are all its windows it goes to the side output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import pyarrow as pa

from sabotnb.graph import WINDOW_END, WINDOW_START, Join, WindowJoin, output_schema
from sabotnb.operators.join import JoinOperator
from sabotnb.operators.late_rows import TimedBatch
from sabotnb.operators.timejoins.join_side import LEFT, RIGHT, JoinSide
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
        return self.keyed.export(0)


class WindowJoinOperator(Operator):
    """Joins the rows of each window when it ends."""

    delayed = Delayed.TAKE

    def __init__(self, spec: WindowJoin, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._output = output_schema(spec, inputs)
        self._sides = [JoinSide(spec, inputs, port) for port in (LEFT, RIGHT)]
        self._kept = [[name for name in schema.names if name not in spec.hidden] for schema in inputs]
        self._inside = [pa.schema(map(schema.field, kept)) for schema, kept in zip(inputs, self._kept, strict=True)]
        self._join = Join(spec.left_on, spec.right_on, spec.how, spec.suffix, strategy="hash")
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
        moved = [store.take_moved() for store in self._stores]  # both have to be asked
        if any(moved):
            self._schedule.begin_again([place for store in self._stores for place in store.panes], self._watermark)
        self._watermark = max(us, self._watermark)
        for bounds in self._schedule.due(self._watermark):
            yield from self._fire(bounds)
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

    def awaited(self) -> int | None:
        return self._schedule.first()

    def _count_open(self) -> None:
        """Count the rows of windows that have not ended; it costs what returning them would."""
        for bounds in self._schedule.due(MAX_WATERMARK):
            self._ctx.counters.open_windows += sum(batch.num_rows for batch in self._fire(bounds))

    def _add(self, port: int, place: Place, batch: pa.RecordBatch) -> None:
        if not any(store.places(place.pane) for store in self._stores):
            self._schedule.keep(place.pane)
        self._stores[port].state(place).add(batch)
        self._schedule.wait_for(self._schedule.bounds(place.pane, place.admitted))

    def _fire(self, bounds: Bounds) -> Iterator[pa.RecordBatch]:
        end, start = bounds
        overlapping = bool(self._schedule.panes.step)
        places = [store.of_window(start, end, overlapping=overlapping) for store in self._stores]
        if not any(self._spec.how in NEEDED[port] and not places[port] for port in (LEFT, RIGHT)):
            for batch in self._joined(places):
                yield self._bounded(batch, start, end)
        self._schedule.follow(bounds, (place.pane for of in places for place in reversed(of)))

    def _joined(self, places: Sequence[Sequence[Place]]) -> Iterator[pa.RecordBatch]:
        """The rows of a join of what both sides have in these places."""
        join = JoinOperator(self._join, self._inside)
        join.open(replace(self._ctx, groups=1, states={}))
        for port in (RIGHT, LEFT):
            for place in places[port]:
                for batch in self._stores[port].panes[place].results():
                    yield from _batches(join.process(port, batch.select(self._kept[port])))
            yield from _batches(join.on_end(port, EndReason.EXHAUSTED))

    def _bounded(self, batch: pa.RecordBatch, start: int, end: int) -> pa.RecordBatch:
        bounds = [
            pa.repeat(pa.scalar(at, pa.int64()), batch.num_rows).cast(self._output.field(name).type)
            for name, at in ((WINDOW_START, start), (WINDOW_END, end))
        ]
        return pa.RecordBatch.from_arrays([*bounds, *batch.columns], schema=self._output)


def _batches(outs: Iterable[Out]) -> Iterator[pa.RecordBatch]:
    return (out for out in outs if not isinstance(out, tuple))
