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

*Order of results* and when panes are dropped: ``window_schedule``.

*Corrections.* With ``lateness``, a row may arrive for a window that has been returned. The window is then returned
again, with the keys that have changed only, before the next watermark leaves.

*Cuts.* Which keys have changed is in no state, so these leave at a cut. A restored operator goes on at the watermark to
which windows had been returned: the smallest of several tasks, for the rows of a task that was behind. No window of the
others is returned again, because rows are stored with the first window that they count for (``pane_store``). Only
windows that can be corrected may leave again, with the same values. By processing time the latest task decides, as new
rows come after it: the clock of a restored task does not go back behind windows that were returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sabotnb.eventtime import repeated, wall_clock, without_clock
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
from sabotnb.operators.encoding import taken
from sabotnb.operators.group_states import GroupState, SharedMaker, maker_of
from sabotnb.operators.windows.admission import Admission
from sabotnb.operators.windows.pane_store import PaneStore, Place, by_place
from sabotnb.operators.windows.panes import Pane
from sabotnb.operators.windows.running_windows import RunningWindows
from sabotnb.operators.windows.window_schedule import Bounds, WindowSchedule
from sabotnb.operators.windows.window_starts import end_after
from sabotnb.protocol import (
    MAX_WATERMARK,
    MIN_WATERMARK,
    Cut,
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
        self._bounds = bound_columns(spec.shape)
        self._schedule = WindowSchedule(spec.shape, spec.lateness)
        self._panes = self._schedule.panes
        self._clock = clock
        self._watermark = MIN_WATERMARK
        self._changed: dict[Bounds, KeySet | None] = {}
        """Windows with rows since they were returned last, and the keys of these rows, if there are keys."""

    def open(self, ctx: OperatorContext) -> None:
        self._ctx = ctx
        self._keys = pa.schema([self._input.field(key) for key in self._spec.keys])
        self._store, self._running = self._stored(ctx)
        ctx.keyed(StateSpec("panes"), self._store)
        self._early_at = 0
        self._await_early()

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        if self._spec.time is not None:
            return self._by_event_time(batch)
        batch, now = without_clock(batch), self._now()  # no row is late by processing time
        for pane, rows in self._panes.divide(batch, np.full(batch.num_rows, now)):
            self._add(Place(pane, pane.end), taken(batch, rows))
            self._await_end(pane)
        return ()

    def on_watermark(self, us: int) -> Iterable[Out]:
        if self._spec.time is None:
            return ()
        return self._advance(us)

    def on_wake(self) -> Iterator[Out]:
        if self._spec.time is None:
            yield from self._advance(self._now())
        if self._spec.early is not None and self._clock() >= self._early_at:
            yield from self._returned_changes(sorted(self._changed))
            self._await_early()

    def on_cut(self, cut: Cut) -> Iterator[Out]:
        return self._returned_changes(sorted(self._changed))

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        if reason is EndReason.EXHAUSTED or isinstance(self._spec.shape, GlobalWindow):
            return self._advance(MAX_WATERMARK)
        self._count_open()
        return ()

    def memo(self) -> Mapping[str, Any]:
        return {"watermark": self._watermark}

    def restored(self, memos: Sequence[Mapping[str, Any]]) -> None:
        passed = [memo["watermark"] for memo in memos]
        self._watermark = (max if self._spec.time is None else min)(passed, default=MIN_WATERMARK)
        if not self._spec.lateness:
            first = self._panes.first_end
            self._store.admit_again(first, lambda place: place.admitted <= self._counts_from(place.pane))
        self._begin_again()
        if self._spec.time is None:
            for place in self._store.panes:
                self._await_end(place.pane)

    def awaited(self) -> int | None:
        return None if self._spec.time is None else self._schedule.first()

    def _count_open(self) -> None:
        """Count the results of windows that have not ended; it costs what returning them would."""
        for bounds in self._schedule.due(MAX_WATERMARK):
            for state in self._merged(bounds):
                self._ctx.counters.open_windows += state.keyed.size()[0]

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
            end = end_after(self._panes, place.pane, closed)
            if end == MAX_WATERMARK and place.pane.end != MAX_WATERMARK:
                self._ctx.counters.count_late(self._ctx.operator, rows.num_rows)
            else:
                self._add(Place(place.pane, max(end, place.admitted)), rows)

    def _add(self, place: Place, batch: pa.RecordBatch) -> None:
        if not self._store.places(place.pane):
            self._schedule.keep(place.pane)
        self._store.state(place).add(batch)
        if self._running is not None:
            self._running.note(place)
        if place.admitted > self._watermark:
            self._schedule.wait_for(self._schedule.bounds(place.pane, place.admitted))
            if self._spec.early is None:
                return
        for bounds in self._windows_of(place):
            if bounds[0] <= self._watermark or self._spec.early is not None:
                self._note_change(bounds, batch)
            if bounds[0] > self._watermark:
                self._schedule.wait_for(bounds)

    def _windows_of(self, place: Place) -> Iterator[Bounds]:
        """The windows for which the rows of a place count."""
        step = self._panes.step or 1  # without steps there is one window
        for end in range(place.admitted, self._panes.last_end(place.pane) + 1, step):
            yield self._schedule.bounds(place.pane, end)

    def _note_change(self, bounds: Bounds, batch: pa.RecordBatch) -> None:
        if bounds not in self._changed:
            self._changed[bounds] = KeySet(self._keys, 1) if len(self._keys) else None
        changed = self._changed[bounds]
        if changed is not None:
            changed.add([batch.column(name) for name in self._keys.names])

    def _advance(self, us: int) -> Iterator[Out]:
        """Return the windows that have ended by ``us``, and corrections of those returned before."""
        self._begin_again()
        self._watermark = max(us, self._watermark)
        yield from self._corrections()
        for bounds in self._schedule.due(self._watermark):
            self._changed.pop(bounds, None)
            for state in self._merged(bounds):
                yield from self._results(bounds, state)
        for pane in self._schedule.expired(self._watermark):
            self._store.remove(pane)
        if self._running is not None:
            self._running.sweep()

    def _begin_again(self) -> None:
        """Find out which windows to wait for, if key groups were loaded or dropped."""
        if self._store.take_moved():
            self._schedule.begin_again([*self._store.panes], self._watermark)
            if self._running is not None:
                self._running.clear()

    def _counts_from(self, pane: Pane) -> int:
        """The end of the first window of a pane that has not been returned."""
        return end_after(self._panes, pane, self._watermark)

    def _counting(self, place: Place) -> int:
        """The end of the first window that rows count for which are exported; all of those that can be corrected."""
        return place.admitted if self._spec.lateness else max(place.admitted, self._counts_from(place.pane))

    def _now(self) -> int:
        """The processing time, which is never behind a window that was returned."""
        return max(self._clock(), self._watermark)

    def _await_end(self, pane: Pane) -> None:
        """Ask to be woken when a pane has ended by processing time."""
        if pane.end < MAX_WATERMARK:
            self._ctx.wake_in(max(0.0, (pane.end - self._now()) / 1e6))

    def _stored(self, ctx: OperatorContext) -> tuple[PaneStore[Any], RunningWindows | None]:
        """The panes, and their totals if it pays to keep them: many windows share a pane."""
        spec, shape, verb = self._spec, self._spec.shape, self._spec.verb
        if (
            isinstance(verb, Aggregate)
            and isinstance(shape, SlidingWindow)
            and MANY_PANES * shape.every <= shape.size
            and not (spec.lateness or spec.early)
            and partial_schema((), verb.columns, verb.schema) is not None
        ):
            make = SharedMaker(verb, ctx)
            store = PaneStore(make, spec.keys, ctx.groups, make.shared.nbytes, self._counting)
            return store, RunningWindows(store, self._panes, make)
        make_state = maker_of(verb, self._input, ctx, groups=1, updated=spec.updated)
        return PaneStore(make_state, spec.keys, ctx.groups, counts_from=self._counting), None

    def _merged(self, bounds: Bounds) -> Iterator[GroupState]:
        """Yield the state of a window if it has rows, and then wait for the window behind it."""
        if self._running is None:
            places = self._places(bounds)
            if places:
                yield self._store.merged(places)
            self._schedule.follow(bounds, [place.pane for place in reversed(places)])
            return
        panes = self._store.between(bounds[1], bounds[0])
        if panes:
            yield self._running.merged(bounds[1], bounds[0])
        self._schedule.follow(bounds, reversed(panes))

    def _corrections(self) -> Iterator[Out]:
        yield from self._returned_changes(
            sorted(bounds for bounds in self._changed if not self._schedule.is_awaited(bounds))
        )

    def _await_early(self) -> None:
        """Ask to be woken for the next early results; windows that end in between wake the operator as well."""
        if self._spec.early is not None:
            self._early_at = self._clock() + self._spec.early
            self._ctx.wake_in(self._spec.early / 1e6)

    def _returned_changes(self, windows: Sequence[Bounds]) -> Iterator[Out]:
        """Return the keys of some windows that have changed since the last time."""
        for bounds in windows:
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
                inside[name] = repeated(values[name], batch.num_rows, self._output.field(name).type)
            yield pa.RecordBatch.from_arrays([inside[name] for name in self._output.names], schema=self._output)
