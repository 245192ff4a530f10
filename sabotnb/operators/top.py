"""The best rows of each key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.errors import TypeMismatch
from sabotnb.graph import output_schema
from sabotnb.graph.specs import Top
from sabotnb.native.keyindex import KeyIndex
from sabotnb.operators.held_rows import HeldRows
from sabotnb.protocol.elements import EndReason
from sabotnb.protocol.operator import Operator, OperatorContext, Out
from sabotnb.state import sortable

PILE_ROWS = 1 << 17
PILE_BYTES = 64 << 20
"""What may pile up, however little is kept."""


class TopOperator(Operator):
    """Holds the best rows of each key, and what piles up until there are as many again as it holds.

    Rows with equal ``by`` are put in order by all columns that have one. Rank counts from 1; with ``ties`` equal rows
    share the smallest.
    """

    def __init__(self, spec: Top, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._output = output_schema(spec, inputs)
        self._held = HeldRows(inputs[0])
        self._best = self._best_bytes = 0
        self._least: pa.Scalar | None = None

    def open(self, ctx: OperatorContext) -> None:
        self._limit = ctx.config.batch_rows

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        if self._least is not None:
            batch = batch.filter(self._can_win(batch))
        if batch.num_rows:
            self._held.append(batch)
        if self._piled_up():
            self._prune()
        return ()

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        return self._results() if self._held.rows else ()

    def state_size(self) -> tuple[int, int]:
        return 0, self._held.nbytes

    def close(self) -> None:
        self._held.clear()

    def _piled_up(self) -> bool:
        """True if there is as much again as is kept, and so much that sorting it pays."""
        rows, nbytes = self._held.rows - self._best, self._held.nbytes - self._best_bytes
        return rows > self._best + PILE_ROWS or nbytes > max(self._best_bytes, PILE_BYTES)

    def _results(self) -> Iterator[pa.RecordBatch]:
        self._prune()
        order, places = self._ordered(self._held.table(), fully=True)
        first = np.searchsorted(places, places)
        ranks = np.arange(len(places)) - first + 1
        if self._spec.ties:
            ranks = ranks[_run_starts(self._by(self._held.table()).take(pa.array(order)), places)]
        for start in range(0, len(order), self._limit):
            piece = slice(start, start + self._limit)
            batch = self._held.take(order[piece])
            if self._spec.rank is None:
                yield batch
            else:
                yield pa.RecordBatch.from_arrays([*batch.columns, pa.array(ranks[piece])], schema=self._output)

    def _prune(self) -> None:
        """Keep what can be among the best: first by ``by`` alone, then, without ties, by all columns."""
        self._narrow(fully=False)
        if not self._spec.ties:
            self._narrow(fully=True)
        self._best, self._best_bytes = self._held.rows, self._held.nbytes
        if not self._spec.keys and self._best >= self._spec.n:
            values = self._by(self._held.table())
            worst = values[self._best - 1] if self._spec.ties else values[self._spec.n - 1]
            self._least = worst if worst.is_valid else None

    def _narrow(self, *, fully: bool) -> None:
        table = self._held.table()
        order, places = self._ordered(table, fully=fully)
        position = np.arange(len(places)) - np.searchsorted(places, places)
        if not fully:  # rows that are equal to the last of the best are not decided yet
            position = position[_run_starts(self._by(table).take(pa.array(order)), places)]
        self._held.replace(self._held.take(order[position < self._spec.n]))

    def _ordered(self, table: pa.Table, *, fully: bool) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers by key and from best to worst, and a number for the key of each."""
        places = self._places(table)
        columns: dict[str, pa.Array] = {"place": pa.array(places), "by": self._by(table)}
        best = "ascending" if self._spec.reverse else "descending"
        order = [("place", "ascending"), ("by", best)]
        for number, column in enumerate(table.columns if fully else ()):
            key = sortable(column)
            if key is not None:
                columns[str(number)] = key
                order.append((str(number), "ascending"))
        rows = pc.sort_indices(pa.table(columns), sort_keys=order).to_numpy()
        return rows, places[rows]

    def _by(self, table: pa.Table | pa.RecordBatch) -> pa.Array:
        column = sortable(table.column(self._spec.by))
        if column is None:
            raise TypeMismatch(f"{self._spec.by!r} has no order; take the top by a plain column")
        return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column

    def _places(self, table: pa.Table) -> np.ndarray:
        if not self._spec.keys:
            return np.zeros(table.num_rows, np.uint32)
        keys = [table.column(key) for key in self._spec.keys]
        index = KeyIndex([key.type for key in keys])
        return index.upsert([key.combine_chunks() for key in keys]).slots

    def _can_win(self, batch: pa.RecordBatch) -> pa.Array:
        """Rows that are not worse than the worst of the best."""
        compare = pc.less_equal if self._spec.reverse else pc.greater_equal
        return compare(self._by(batch), self._least)


def _run_starts(values: pa.Array, places: np.ndarray) -> np.ndarray:
    """For each row of a sorted column the first row of the same key and value; nulls are equal."""
    rows = len(places)
    differs = np.ones(rows, np.bool_)
    if rows > 1:
        before, after = values.slice(0, rows - 1), values.slice(1)
        same = pc.fill_null(pc.equal(before, after), False)  # noqa: FBT003  the value of a fill
        both = pc.and_(before.is_null(), after.is_null())
        alike = pc.or_(same, both).to_numpy(zero_copy_only=False) & (places[1:] == places[:-1])
        differs[1:] = ~alike
    starts: np.ndarray = np.maximum.accumulate(np.where(differs, np.arange(rows), 0))
    return starts
