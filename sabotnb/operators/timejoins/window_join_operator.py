"""The join of the rows of two streams that are in the same window of event time.

Theory of operation. The rows of each side are stored by pane (``windows.window_starts``), as for windows of a single
stream. When the watermark passes the end of a window, the rows of its panes go through a ``JoinOperator`` of their own,
and leave with the window's bounds in front. A pane is dropped when the last window that has it has ended.

A row is late for the windows that end before its clock; if these are all its windows it goes to the side output.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa

from sabotnb.graph import WINDOW_END, WINDOW_START, Join, SlidingWindow, WindowJoin, output_schema
from sabotnb.operators.encoding import taken
from sabotnb.operators.join import JoinOperator
from sabotnb.operators.timejoins.join_side import LEFT, RIGHT, JoinSide
from sabotnb.operators.windows.pane_store import PaneStore, Place
from sabotnb.operators.windows.window_starts import Pane, by_number, ends_after, panes_of
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

Bounds = tuple[int, int]
"""The end and the start of a window: windows sort by their end."""

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
        self._panes = panes_of(spec.shape)
        self._watermark = MIN_WATERMARK
        self._ends: list[Bounds] = []
        self._awaited: set[Bounds] = set()
        self._expiry: list[tuple[int, Pane]] = []
        self._ended: set[int] = set()

    def open(self, ctx: OperatorContext) -> None:
        self._ctx = ctx
        self._stores = [
            ctx.keyed(StateSpec(name), PaneStore(partial(PaneRows, side.input), side.keys.names, ctx.groups))
            for name, side in zip(("left", "right"), self._sides, strict=True)
        ]

    def process(self, port: int, batch: pa.RecordBatch) -> Iterator[Out]:
        batch, times, clocks = self._sides[port].timed(batch, self._watermark)
        for pane, rows in self._panes.divide(batch, times):
            part = _part(batch, rows)
            of_rows = clocks if len(clocks) == 1 else clocks[rows]
            admitted = ends_after(self._panes, pane, of_rows)
            for end, among in by_number(admitted):
                chosen = part if len(admitted) == 1 else _part(part, among)
                if end < MAX_WATERMARK:
                    self._add(port, Place(pane, end), chosen)
                    continue
                late_by = (of_rows if len(of_rows) == 1 else of_rows[among]) - self._panes.last_end(pane)
                self._ctx.counters.count_late(self._ctx.operator, chosen.num_rows)
                yield self._sides[port].late(chosen, np.broadcast_to(late_by, chosen.num_rows))

    def on_watermark(self, us: int) -> Iterator[Out]:
        self._await_moved()
        self._watermark = max(us, self._watermark)
        while self._ends and self._ends[0][0] <= self._watermark:
            bounds = heapq.heappop(self._ends)
            self._awaited.discard(bounds)
            yield from self._fire(bounds)
        while self._expiry and self._expiry[0][0] <= self._watermark:
            pane = heapq.heappop(self._expiry)[1]
            for store in self._stores:
                store.remove(pane)

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        if reason is EndReason.EXHAUSTED:
            self._ended.add(port)
        return self.on_watermark(MAX_WATERMARK) if self._ended == {LEFT, RIGHT} else ()

    def awaited(self) -> int | None:
        return self._ends[0][0] if self._ends and self._ends[0][0] < MAX_WATERMARK else None

    def _add(self, port: int, place: Place, batch: pa.RecordBatch) -> None:
        if not any(store.places(place.pane) for store in self._stores):
            heapq.heappush(self._expiry, (self._panes.last_end(place.pane), place.pane))
        self._stores[port].state(place).add(batch)
        self._await(self._first_window(place))

    def _first_window(self, place: Place) -> Bounds:
        shape = self._spec.shape
        return place.admitted, place.admitted - shape.size if isinstance(shape, SlidingWindow) else place.pane.start

    def _await_moved(self) -> None:
        """Wait for the windows of key groups that were loaded and have not been returned."""
        moved = [store.take_moved() for store in self._stores]
        if not any(moved):
            return
        places = [place for store in self._stores for place in store.panes]
        self._expiry = [(self._panes.last_end(pane), pane) for pane in {place.pane for place in places}]
        heapq.heapify(self._expiry)
        for place in places:
            end, start = self._first_window(place)
            step = self._panes.step
            returned = ((self._watermark - end) // step + 1) * step if step and self._watermark >= end else 0
            self._await((end + returned, start + returned))

    def _await(self, bounds: Bounds) -> None:
        if bounds not in self._awaited:
            self._awaited.add(bounds)
            heapq.heappush(self._ends, bounds)

    def _fire(self, bounds: Bounds) -> Iterator[pa.RecordBatch]:
        end, start = bounds
        overlapping = bool(self._panes.step)
        places = [store.of_window(start, end, overlapping=overlapping) for store in self._stores]
        if not any(self._spec.how in NEEDED[port] and not places[port] for port in (LEFT, RIGHT)):
            for batch in self._joined(places):
                yield self._bounded(batch, start, end)
        following = end + self._panes.step
        if self._panes.step and any(self._panes.last_end(place.pane) >= following for of in places for place in of):
            self._await((following, start + self._panes.step))

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


def _part(batch: pa.RecordBatch, rows: np.ndarray | slice) -> pa.RecordBatch:
    if isinstance(rows, slice):
        start, stop, _ = rows.indices(batch.num_rows)
        return batch.slice(start, stop - start)
    return taken(batch, rows)


def _batches(outs: Iterable[Out]) -> Iterator[pa.RecordBatch]:
    return (out for out in outs if not isinstance(out, tuple))
