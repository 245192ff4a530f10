"""The best rows of each key, as the state of ``top``."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.errors import TypeMismatch
from sabotnb.graph import Top, output_schema
from sabotnb.state import Direction, GroupedBatches, KeyedRows, KeySet, Retention, position, sortable, tied


class TopGroups:
    """Stores the best rows of each key, and rows that arrived since the others were last discarded.

    Rows with equal ``by`` are sorted by all other columns that have an order. Rank counts from 1; with ``ties`` equal
    rows share the smallest rank.
    """

    def __init__(self, spec: Top, schema: pa.Schema, groups: int, limit: int) -> None:
        """Store rows of ``schema``; results come in batches of ``limit`` rows.

        Raises:
            TypeMismatch: the column of ``by`` has no order.
        """
        if sortable(pa.nulls(0, schema.field(spec.by).type)) is None:
            raise TypeMismatch(f"{spec.by!r} has no order; take the top by a plain column")
        self._spec = spec
        self._output = output_schema(spec, [schema])
        self._limit = limit
        others = [name for name in schema.names if name != spec.by]
        best = Direction.UP if spec.reverse else Direction.DOWN
        keep = Retention(spec.n, ((spec.by, best), *((name, Direction.UP) for name in others)), spec.ties)
        self.keyed = KeyedRows(schema, pa.schema([schema.field(key) for key in spec.keys]), groups, keep)
        self._kept: GroupedBatches | None = None
        self._least: pa.Scalar | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Add rows; those that cannot be among the best are left out."""
        self.keyed.orders.take(batch)  # before rows are left out by a comparison
        if self._least is not None:
            batch = batch.filter(self._can_win(batch))
        if batch.num_rows:
            self.keyed.add(batch)
            self._learn()

    def results(self, among: KeySet | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the best rows of each key, or of those ``among`` some, sorted."""
        if not self.keyed.rows:
            return
        rows = self.keyed.arranged()
        before = tied(rows.places, self._by(rows)) if self._spec.ties else position(rows.places)
        for start in range(0, rows.rows, self._limit):
            stop = min(rows.rows, start + self._limit)
            columns = rows.slice(start, stop).columns
            if self._spec.rank is not None:
                columns.append(pa.array(before[start:stop] + 1))
            yield self._chosen(pa.RecordBatch.from_arrays(columns, schema=self._output), among)

    def _chosen(self, batch: pa.RecordBatch, among: KeySet | None) -> pa.RecordBatch:
        if among is None:
            return batch
        return batch.filter(pa.array(among.has([batch.column(key) for key in self._spec.keys])))

    def _learn(self) -> None:
        """Without keys, store the worst of the best values after each cut: later rows that are worse are not stored."""
        if self._spec.keys or self._kept is self.keyed.kept:
            return
        kept = self._kept = self.keyed.kept
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
