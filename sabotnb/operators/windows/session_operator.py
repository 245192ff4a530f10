"""The operator of windows that are short beside the number of them: sessions, and ``until`` a time in the row.

Each key has windows of its own, so they share one store, where the windows of other shapes have a state each. A window
``until`` a time is the session of the rows with that end: they lie in the last microsecond before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sabotnb.eventtime import microseconds
from sabotnb.graph import (
    LATE,
    WINDOW_END,
    WINDOW_START,
    SessionWindow,
    UntilWindow,
    Window,
    output_schema,
    side_schema,
)
from sabotnb.native import Orders
from sabotnb.operators.exported_categories import WithCategories
from sabotnb.operators.late_rows import TimedBatch, divided, with_late_by, without_clocks
from sabotnb.operators.windows.numbered_windows import NUMBER, numbered_maker
from sabotnb.operators.windows.session_store import Run, SessionStore, key_name
from sabotnb.operators.windows.window_starts import known_times
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
from sabotnb.state import encoded_as


class SessionOperator(Operator):
    """Applies a verb to the rows of each session, and returns the results once the watermark has passed its end.

    A row is late if its own time + ``gap`` is not after its clock: it could only be in sessions that have ended. A row
    that is not late joins no session that had ended by its clock (``session_store``). Of windows ``until`` a time, this
    operator does not return early or corrected results; ``WindowOperator`` does.
    """

    delayed = Delayed.TAKE

    def __init__(self, spec: Window, inputs: Sequence[pa.Schema]) -> None:
        assert isinstance(spec.shape, SessionWindow | UntilWindow)
        assert spec.time is not None
        assert not spec.lateness
        self._spec = spec
        self._time = spec.time
        self._until = spec.shape.column if isinstance(spec.shape, UntilWindow) else None
        self._gap = 1 if isinstance(spec.shape, UntilWindow) else spec.shape.gap
        self._input = inputs[0]
        self._output = output_schema(spec, inputs)
        self._late_schema = side_schema(spec, LATE, inputs)
        self._watermark = MIN_WATERMARK

    def open(self, ctx: OperatorContext) -> None:
        self._ctx = ctx
        keys = pa.schema([self._input.field(key) for key in self._spec.keys])
        self._orders = Orders(keys)
        self._store = SessionStore(numbered_maker(self._spec, self._input, ctx), keys, self._gap, ctx.groups)
        named = pa.schema([field.with_name(key_name(field.name)) for field in keys])
        categories = {key_name(name): known for name, known in self._orders.columns.items()}
        ctx.keyed(StateSpec("sessions"), WithCategories(self._store, categories, named) if categories else self._store)

    def process(self, port: int, batch: pa.RecordBatch) -> Iterator[Out]:
        batch, clocks = without_clocks(batch, self._watermark)
        self._orders.take(batch)
        times = self._times(batch)
        is_late = times + self._gap <= clocks
        rows, late = divided(TimedBatch(batch, times), is_late, clocks - times - self._gap)
        if late is not None:
            self._ctx.counters.count_late(self._ctx.operator, late.batch.num_rows)
            yield LATE, with_late_by(late, self._late_schema)
        if rows.batch.num_rows:
            entries = np.maximum(times, clocks)
            self._store.add(*rows, entries if late is None else entries[~is_late])

    def _times(self, batch: pa.RecordBatch) -> np.ndarray:
        """The time of each row in its session; a row ``until`` an earlier time than its own ends with itself."""
        times = microseconds(batch.column(self._time)) + self._spec.shift
        return times if self._until is None else np.maximum(known_times(batch, self._until) - 1, times)

    def on_watermark(self, us: int) -> Iterable[Out]:
        self._watermark = max(us, self._watermark)
        run = self._store.take_complete(self._watermark)
        return () if run is None else self._results(run)

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        if reason is EndReason.EXHAUSTED:
            return self.on_watermark(MAX_WATERMARK)
        self._ctx.counters.open_windows += self._store.sessions()
        return ()

    def memo(self) -> Mapping[str, Any]:
        return {"watermark": self._watermark}

    def restored(self, memos: Sequence[Mapping[str, Any]]) -> None:
        self._watermark = min((memo["watermark"] for memo in memos), default=MIN_WATERMARK)

    def awaited(self) -> int | None:
        first = self._store.first_end()
        return None if first is None or first >= MAX_WATERMARK else first

    def _results(self, run: Run) -> Iterator[pa.RecordBatch]:
        for batch in self._store.results(run):
            numbers = batch.column(NUMBER).to_numpy()
            keys = run.keys.take(pa.array(numbers)) if run.keys.num_columns else run.keys
            known = dict(zip(batch.schema.names, batch.columns, strict=True))
            known |= dict(zip(keys.schema.names, keys.columns, strict=True))
            known[WINDOW_START] = pa.array(run.first[numbers])
            known[WINDOW_END] = pa.array(run.last[numbers] + self._gap)
            columns = [self._as(known[field.name], field) for field in self._output]
            yield pa.RecordBatch.from_arrays(columns, schema=self._output)

    def _as(self, column: pa.Array, field: pa.Field) -> pa.Array:
        if column.type.equals(field.type):
            return column
        if field.name in self._orders.columns:
            return self._orders[field.name].encoded(column, field.type)
        return column.cast(field.type) if pa.types.is_timestamp(field.type) else encoded_as(column, field.type)
