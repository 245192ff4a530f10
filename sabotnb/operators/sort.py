"""Sorting of a bounded input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.errors import TypeMismatch
from sabotnb.graph.specs import Sort
from sabotnb.operators.held_rows import HeldRows
from sabotnb.protocol.elements import EndReason
from sabotnb.protocol.operator import Operator, OperatorContext, Out
from sabotnb.state import sortable


class SortOperator(Operator):
    """Holds all rows, sorts their numbers when the input has ended, and gives them in bounded batches.

    Rows that are equal by the sort columns keep their order.
    """

    def __init__(self, spec: Sort, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._rows = HeldRows(inputs[0])

    def open(self, ctx: OperatorContext) -> None:
        self._limit = ctx.config.batch_rows

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        self._rows.append(batch)
        return ()

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        return self._sorted() if self._rows.rows else ()

    def state_size(self) -> tuple[int, int]:
        return 0, self._rows.nbytes

    def close(self) -> None:
        self._rows.clear()

    def _sorted(self) -> Iterator[pa.RecordBatch]:
        table = self._rows.table()
        columns, order = {}, []
        for number, (name, descending) in enumerate(zip(self._spec.by, self._spec.descending, strict=True)):
            key = sortable(table.column(name))
            if key is None:
                raise TypeMismatch(
                    f"{name!r} ({table.schema.field(name).type}) has no order; sort by plain columns of it"
                )
            columns[str(number)] = key
            order.append((str(number), "descending" if descending else "ascending"))
        rows = pc.sort_indices(pa.table(columns), sort_keys=order)
        for start in range(0, len(rows), self._limit):
            yield self._rows.take(rows.slice(start, self._limit))
