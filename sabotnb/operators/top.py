"""The operator of ``top``: returns the best rows of each key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.errors import TypeMismatch
from sabotnb.graph import Top, output_schema
from sabotnb.protocol import EndReason, Operator, OperatorContext, Out, StateSpec
from sabotnb.state import Direction, GroupedBatches, KeyedRows, Retention, position, sortable, tied


class TopOperator(Operator):
    """Stores the best rows of each key, and rows that arrived since the others were last discarded.

    Rows with equal ``by`` are sorted by all other columns that have an order. Rank counts from 1; with ``ties`` equal
    rows share the smallest rank.
    """

    def __init__(self, spec: Top, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._input = inputs[0]
        self._output = output_schema(spec, inputs)
        if sortable(pa.array([], self._input.field(spec.by).type)) is None:
            raise TypeMismatch(f"{spec.by!r} has no order; take the top by a plain column")
        self._kept: GroupedBatches | None = None
        self._least: pa.Scalar | None = None

    def open(self, ctx: OperatorContext) -> None:
        spec, others = self._spec, [name for name in self._input.names if name != self._spec.by]
        best = Direction.UP if spec.reverse else Direction.DOWN
        keep = Retention(spec.n, ((spec.by, best), *((name, Direction.UP) for name in others)), spec.ties)
        keys = pa.schema([self._input.field(key) for key in spec.keys])
        self._limit = ctx.config.batch_rows
        self._rows = ctx.keyed(StateSpec("best"), KeyedRows(self._input, keys, ctx.groups, keep))

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        self._rows.orders.take(batch)  # before rows are left out by a comparison
        if self._least is not None:
            batch = batch.filter(self._can_win(batch))
        if batch.num_rows:
            self._rows.add(batch)
            self._learn()
        return ()

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        return self._results() if self._rows.rows else ()

    def _results(self) -> Iterator[pa.RecordBatch]:
        rows = self._rows.arranged()
        before = tied(rows.places, self._by(rows)) if self._spec.ties else position(rows.places)
        for start in range(0, rows.rows, self._limit):
            stop = min(rows.rows, start + self._limit)
            columns = rows.slice(start, stop).columns
            if self._spec.rank is not None:
                columns.append(pa.array(before[start:stop] + 1))
            yield pa.RecordBatch.from_arrays(columns, schema=self._output)

    def _learn(self) -> None:
        """Without keys, store the worst of the best values after each cut: later rows that are worse are not stored."""
        if self._spec.keys or self._kept is self._rows.kept:
            return
        kept = self._kept = self._rows.kept
        self._least = None
        if kept is not None and kept.rows >= self._spec.n:
            worst = self._by(kept)[kept.rows - 1]
            self._least = worst if worst.is_valid else None

    def _by(self, rows: GroupedBatches | pa.RecordBatch) -> pa.Array:
        column = sortable(rows.column(self._spec.by))
        return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column

    def _can_win(self, batch: pa.RecordBatch) -> pa.Array:
        """Mask of the rows that are not worse than the worst of the best."""
        compare = pc.less_equal if self._spec.reverse else pc.greater_equal
        return compare(self._by(batch), self._least)
