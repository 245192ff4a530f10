"""The operator of count windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from sabotnb.graph import CountWindow, Window, output_schema
from sabotnb.operators.encoding import conformed
from sabotnb.operators.windows.count_store import CompleteWindows, CountStore
from sabotnb.operators.windows.numbered_windows import NUMBER, numbered, numbered_maker
from sabotnb.protocol import Delayed, EndReason, Operator, OperatorContext, Out, StateSpec

ROWS_AT_ONCE = 1 << 17
"""Rows of windows that are computed together: windows that overlap have many more rows than their input."""


class CountOperator(Operator):
    """Applies a verb to the last ``n`` rows of a key, after every ``every`` rows of it.

    At the end of the input, the next window of a key leaves with the rows that it has, if it has some that are new.
    """

    delayed = Delayed.DROP

    def __init__(self, spec: Window, inputs: Sequence[pa.Schema]) -> None:
        assert isinstance(spec.shape, CountWindow)
        self._spec = spec
        self._shape = spec.shape
        self._input = inputs[0]
        self._output = output_schema(spec, inputs)

    def open(self, ctx: OperatorContext) -> None:
        self._counters = ctx.counters
        self._make = numbered_maker(self._spec, self._input, ctx)
        store = CountStore(self._input, self._spec.keys, self._shape.n, self._shape.every, ctx.groups)
        self._store = ctx.keyed(StateSpec("rows"), store)

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        windows = self._store.add(batch)
        return () if windows is None else self._results(windows)

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        if reason is EndReason.EXHAUSTED:
            return self._rest()
        windows = self._store.rest()
        self._counters.open_windows += 0 if windows is None else len(windows.starts)
        return ()

    def _rest(self) -> Iterator[pa.RecordBatch]:
        windows = self._store.rest()
        if windows is not None:
            yield from self._results(windows)
        self._store.clear()

    def _results(self, windows: CompleteWindows) -> Iterator[pa.RecordBatch]:
        total = np.cumsum(windows.stops - windows.starts)
        start = 0
        while start < len(total):
            before = total[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(total, before + ROWS_AT_ONCE, side="right")))
            yield from self._results_of(windows, windows.starts[start:stop], windows.stops[start:stop])
            start = stop

    def _results_of(self, windows: CompleteWindows, starts: np.ndarray, stops: np.ndarray) -> Iterator[pa.RecordBatch]:
        sizes = stops - starts
        offsets = np.cumsum(sizes) - sizes
        within = np.arange(int(sizes.sum())) + np.repeat(starts - offsets, sizes)
        rows = windows.rows.take(windows.numbers[within]).select(self._input.names)
        of_window = pa.array(np.repeat(np.arange(len(sizes)), sizes))
        rows = conformed(rows.append_column(NUMBER, of_window), numbered(self._input))
        state = self._make()
        state.add(rows)
        keys = rows.select(list(self._spec.keys)).take(pa.array(offsets)) if self._spec.keys else None
        for batch in state.results():
            known = dict(zip(batch.schema.names, batch.columns, strict=True))
            if keys is not None:
                of_results = keys.take(batch.column(NUMBER))
                known |= dict(zip(keys.schema.names, of_results.columns, strict=True))
            columns = [known[field.name] for field in self._output]
            yield conformed(pa.RecordBatch.from_arrays(columns, self._output.names), self._output)
