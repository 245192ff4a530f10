"""The operator of ``sort``, for bounded input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.errors import TypeMismatch
from sabotnb.graph import Sort
from sabotnb.native import has_order_inside, is_ordered
from sabotnb.operators.encoding import conformed
from sabotnb.operators.memos import Memos
from sabotnb.protocol import MIN_WATERMARK, EndReason, Operator, OperatorContext, Out, StateSpec
from sabotnb.state import GroupedBatches, GroupedRows, SpillPolicy, sortable


class SortOperator(Operator):
    """Stores all rows, sorts their numbers when the input has ended, and returns them in batches of bounded size.

    Rows beyond ``Config.sort_bytes`` are sorted and go to files, each of which is read once from beginning to end.
    The sort is stable: rows with equal sort columns keep their order. Stored rows hold the watermark back. They are
    dropped when all have been returned: at a cut before that the memo says how many have.
    """

    def __init__(self, spec: Sort, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._schema = inputs[0]
        self._returned = 0

    def open(self, ctx: OperatorContext) -> None:
        self._limit = ctx.config.batch_rows
        self._counters = ctx.counters
        spill: SpillPolicy | None = SpillPolicy(
            ctx.config.sort_bytes, lambda rows: (rows.take(self._order(rows)),), self._count
        )
        if any(is_ordered(kind) or has_order_inside(kind) for kind in self._schema.types):
            spill = None  # categories of ordered columns are numbered alike only where all rows are in one batch
        self._rows = ctx.keyed(StateSpec("rows"), GroupedRows(self._schema, (), ctx.groups, spill=spill))

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        self._rows.add(batch)
        return ()

    def output_watermark(self, us: int) -> int:
        return MIN_WATERMARK if self._rows.rows else us

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        return self._sorted() if self._rows.rows else ()

    def _sorted(self) -> Iterator[pa.RecordBatch]:
        self._rows.spill()
        rows = self._rows.joined()
        numbers = self._order(rows)
        for start in range(self._returned, len(numbers), self._limit):
            self._returned = min(start + self._limit, len(numbers))
            yield conformed(rows.take(numbers.slice(start, self._limit)), self._schema)
        self._rows.drop(0)
        self._returned = 0

    def divisible(self) -> bool:
        return True  # the order of the rows depends on nothing but the rows, so those that were returned are the first

    def memo(self) -> Mapping[str, Any]:
        return {"returned": self._returned} if self._returned else {}

    def restored(self, memos: Memos) -> None:
        self._returned = sum(memo.get("returned", 0) for memo in memos)  # there is one task

    def _order(self, rows: GroupedBatches) -> pa.Array:
        """The numbers of ``rows`` in sorted order."""
        columns, order = {}, []
        for number, (name, descending) in enumerate(zip(self._spec.by, self._spec.descending, strict=True)):
            key = sortable(rows.column(name))
            if key is None:
                raise TypeMismatch(
                    f"{name!r} ({self._schema.field(name).type}) has no order; sort by plain columns of it"
                )
            columns[str(number)] = key
            order.append((str(number), "descending" if descending else "ascending"))
        return pc.sort_indices(pa.table(columns), sort_keys=order)

    def _count(self, nbytes: int) -> None:
        self._counters.spilled_bytes += nbytes
