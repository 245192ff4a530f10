"""The operator of windows that depend on time alone: tumbling, sliding, until, same and global windows.

Theory of operation. Rows are added to the state of their pane (``window_starts``). When the watermark passes the end of
a window, the states of its panes are merged, and the results leave with the window's bounds in front. A pane is dropped
when the last window that has it has ended, plus ``lateness``.

*Late rows* (``admission``). The clock of a row decides (see ``protocol.CLOCK``); a row that is not delayed has a clock
before its own time. The row counts for the windows that end, plus lateness, after its clock. If these are not all
windows of its pane, it goes to a second state of the pane, which later windows merge as well (``Place.admitted``); if
there is none it is late. Windows that have been returned already count as ended in any case: a source that was idle may
fall behind.

*Two phases.* Behind a ``PartialWindowOperator`` the rows are partial aggregates with their places.

*Order of results.* ``_ends`` is a heap of the windows that may have rows and have not ended, by end. Firing a window
adds the next one if one of its panes is in that, too, so gaps without rows cost nothing.

*Corrections.* With ``lateness``, a row may arrive for a window that has been returned. The window is then returned
again, with the keys that have changed only, before the next watermark leaves.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import gcd

import numpy as np
import pyarrow as pa

from sabotnb.eventtime import wall_clock
from sabotnb.expr import partial_schema
from sabotnb.graph import (
    LATE,
    Aggregate,
    GlobalWindow,
    Phase,
    SlidingWindow,
    Window,
    bound_columns,
    output_schema,
)
from sabotnb.operators.group_states import GroupState, maker_of
from sabotnb.operators.windows.admission import Admission
from sabotnb.operators.windows.pane_store import PaneStore, Place, by_place
from sabotnb.operators.windows.running_windows import RunningWindows
from sabotnb.operators.windows.window_starts import Pane, ends_after, panes_of, taken
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
from sabotnb.state import KeySet

MANY_PANES = 4
"""Windows that share a pane from which on totals of panes are kept."""

MOST_PANES = 1024
"""Panes of a window up to which totals of panes are kept: each total holds all keys."""

Bounds = tuple[int, int]
"""The end and the start of a window: windows sort by their end."""


class WindowOperator(Operator):
    """Applies a verb to the rows of each window; ``clock`` returns microseconds, for processing time."""

    delayed = Delayed.TAKE

    def __init__(self, spec: Window, inputs: Sequence[pa.Schema], clock: Callable[[], int] = wall_clock) -> None:
        self._spec = spec
        self._input = inputs[0]
        self._output = output_schema(spec, inputs)
        self._merges = isinstance(spec.verb, Aggregate) and spec.verb.phase is Phase.FINAL
        if spec.time is not None and not self._merges:
            self._admission = Admission(spec, inputs)
        if spec.time is None:
            self.delayed = Delayed.DROP  # type: ignore[misc]  # it belongs to the class, but here no row can be late
        self._bounds = bound_columns(spec.shape)
        self._panes = panes_of(spec.shape)
        self._clock = clock
        self._watermark = MIN_WATERMARK
        self._ends: list[Bounds] = []
        self._awaited: set[Bounds] = set()
        self._expiry: list[tuple[int, Pane]] = []
        self._changed: dict[Bounds, KeySet | None] = {}
        """Windows with rows since they were returned last, and the keys of these rows, if there are keys."""

    def open(self, ctx: OperatorContext) -> None:
        self._ctx = ctx
        self._keys = pa.schema([self._input.field(key) for key in self._spec.keys])
        make = maker_of(self._spec.verb, self._input, ctx, groups=1)
        self._store = ctx.keyed(StateSpec("panes"), PaneStore(make, self._spec.keys, ctx.groups))
        self._running = RunningWindows(self._store, self._panes, make) if self._overlap_much() else None
        self._early_at = 0
        self._await_early()

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        if self._spec.time is not None:
            return self._by_event_time(batch)
        now = self._clock()
        for pane, rows in self._panes.divide(batch, np.full(batch.num_rows, now)):
            self._add(Place(pane, pane.end), taken(batch, rows))
            if pane.end < MAX_WATERMARK:
                self._ctx.wake_in(max(0.0, (pane.end - now) / 1e6))
        return ()

    def on_watermark(self, us: int) -> Iterable[Out]:
        if self._spec.time is None:
            return ()
        return self._advance(us)

    def on_wake(self) -> Iterator[Out]:
        if self._spec.time is None:
            yield from self._advance(self._clock())
        if self._spec.early is not None and self._clock() >= self._early_at:
            yield from self._early()
            self._await_early()

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        if reason is EndReason.EXHAUSTED or isinstance(self._spec.shape, GlobalWindow):
            return self._advance(MAX_WATERMARK)
        self._count_open()
        return ()

    def awaited(self) -> int | None:
        if self._spec.time is None or not self._ends or self._ends[0][0] >= MAX_WATERMARK:
            return None
        return self._ends[0][0]

    def _count_open(self) -> None:
        """Count the results of windows that have not ended; it costs what returning them would."""
        while self._ends:
            bounds = heapq.heappop(self._ends)
            places = self._places(bounds)
            if places:
                self._ctx.counters.open_windows += self._merged(bounds, places).keyed.size()[0]
                self._await_following(bounds, places)

    def _by_event_time(self, batch: pa.RecordBatch) -> Iterator[Out]:
        """Add each row to its pane; yields the late ones."""
        if self._merges:
            self._merge(batch)
            return
        for place, rows in self._admission.divide(batch, self._watermark):
            if place is None:
                self._ctx.counters.count_late(self._ctx.operator, rows.num_rows)
                yield LATE, rows
            else:
                self._add(place, rows)

    def _merge(self, batch: pa.RecordBatch) -> None:
        """Merge partial aggregates; those of windows that were returned already count as late, and are lost."""
        closed = max(MIN_WATERMARK, self._watermark - self._spec.lateness)
        for place, rows in by_place(batch):
            (end,) = ends_after(self._panes, place.pane, [closed]).tolist()
            if end == MAX_WATERMARK and place.pane.end != MAX_WATERMARK:
                self._ctx.counters.count_late(self._ctx.operator, rows.num_rows)
            else:
                self._add(Place(place.pane, max(end, place.admitted)), rows)

    def _add(self, place: Place, batch: pa.RecordBatch) -> None:
        if not self._store.places(place.pane):
            heapq.heappush(self._expiry, (self._panes.last_end(place.pane) + self._spec.lateness, place.pane))
        self._store.state(place).add(batch)
        first = self._bounds_at(place.pane, place.admitted)
        if place.admitted > self._watermark:
            self._await(first)
        if self._spec.early is None and place.admitted > self._watermark:
            return
        end = place.admitted
        while end <= self._panes.last_end(place.pane):
            bounds = self._bounds_at(place.pane, end)
            if end <= self._watermark or self._spec.early is not None:
                self._note_change(bounds, batch)
            if not self._panes.step:
                return
            if end > self._watermark:
                self._await(bounds)
            end += self._panes.step

    def _note_change(self, bounds: Bounds, batch: pa.RecordBatch) -> None:
        if bounds not in self._changed:
            self._changed[bounds] = KeySet(self._keys, 1) if len(self._keys) else None
        changed = self._changed[bounds]
        if changed is not None:
            changed.add([batch.column(name) for name in self._keys.names])

    def _await(self, bounds: Bounds) -> None:
        if bounds not in self._awaited:
            self._awaited.add(bounds)
            heapq.heappush(self._ends, bounds)

    def _bounds_at(self, pane: Pane, end: int) -> Bounds:
        shape = self._spec.shape
        return end, end - shape.size if isinstance(shape, SlidingWindow) else pane.start

    def _advance(self, us: int) -> Iterator[Out]:
        """Return the windows that have ended by ``us``, and corrections of those returned before."""
        if self._store.take_moved():
            self._begin_again()
        self._watermark = max(us, self._watermark)
        yield from self._corrections()
        while self._ends and self._ends[0][0] <= self._watermark:
            bounds = heapq.heappop(self._ends)
            self._awaited.discard(bounds)
            self._changed.pop(bounds, None)
            yield from self._fire(bounds)
        self._drop_ended()

    def _begin_again(self) -> None:
        """Find out which windows are awaited, as key groups have come or gone."""
        if self._running is not None:
            self._running.clear()
        panes = {place.pane for place in self._store.panes}
        self._expiry = [(self._panes.last_end(pane) + self._spec.lateness, pane) for pane in panes]
        heapq.heapify(self._expiry)
        for place in self._store.panes:
            (end,) = ends_after(self._panes, place.pane, [self._watermark]).tolist()
            if end != MAX_WATERMARK or place.pane.end == MAX_WATERMARK:
                self._await(self._bounds_at(place.pane, max(end, place.admitted)))

    def _fire(self, bounds: Bounds) -> Iterator[Out]:
        places = self._places(bounds)
        if not places:
            return
        yield from self._results(bounds, self._merged(bounds, places))
        self._await_following(bounds, places)

    def _await_following(self, bounds: Bounds, places: Sequence[Place]) -> None:
        """Wait for the window that begins a step later, if one of the panes is in it too."""
        following = bounds[0] + self._panes.step
        if self._panes.step and any(self._panes.last_end(place.pane) >= following for place in places):
            self._await((following, bounds[1] + self._panes.step))

    def _overlap_much(self) -> bool:
        """True if it pays to keep totals of panes: many windows share a pane, and totals are small."""
        spec, shape = self._spec, self._spec.shape
        if not isinstance(shape, SlidingWindow) or spec.lateness or spec.early:
            return False
        if not MANY_PANES * shape.every <= shape.size <= MOST_PANES * gcd(shape.size, shape.every):
            return False
        return isinstance(spec.verb, Aggregate) and partial_schema((), spec.verb.columns, spec.verb.schema) is not None

    def _merged(self, bounds: Bounds, places: Sequence[Place]) -> GroupState:
        if self._running is None or len(places) == 1:
            return self._store.merged(places)
        state = self._running.merged(bounds[1], bounds[0])
        rest = [place for place in places if place.admitted != self._panes.first_end(place.pane)]
        if state is None:
            return self._store.merged(rest)
        return self._store.merged(rest, state) if rest else state

    def _corrections(self) -> Iterator[Out]:
        for bounds in sorted(bounds for bounds in self._changed if bounds not in self._awaited):
            keys = self._changed.pop(bounds)
            yield from self._results(bounds, self._store.merged(self._places(bounds)), keys)

    def _await_early(self) -> None:
        """Ask to be woken for the next early results; windows that end in between wake the operator as well."""
        if self._spec.early is not None:
            self._early_at = self._clock() + self._spec.early
            self._ctx.wake_in(self._spec.early / 1e6)

    def _early(self) -> Iterator[Out]:
        """Return the windows that have not ended and have changed since the last time."""
        for bounds in sorted(self._changed):
            keys = self._changed.pop(bounds)
            yield from self._results(bounds, self._store.merged(self._places(bounds)), keys)

    def _places(self, bounds: Bounds) -> list[Place]:
        """The places whose rows are in a window."""
        end, start = bounds
        return self._store.of_window(start, end, overlapping=bool(self._panes.step))

    def _results(self, bounds: Bounds, state: GroupState, keys: KeySet | None = None) -> Iterator[pa.RecordBatch]:
        """The results of a window; of ``keys`` only, if they are given."""
        values = {"window_start": bounds[1], "window_end": bounds[0]}
        for batch in state.results(keys):
            inside = {field.name: column for field, column in zip(batch.schema, batch.columns, strict=True)}
            for name in self._bounds:
                kind = self._output.field(name).type
                inside[name] = pa.repeat(pa.scalar(values[name], pa.int64()), batch.num_rows).cast(kind)
            yield pa.RecordBatch.from_arrays([inside[name] for name in self._output.names], schema=self._output)

    def _drop_ended(self) -> None:
        while self._expiry and self._expiry[0][0] <= self._watermark:
            self._store.remove(heapq.heappop(self._expiry)[1])
