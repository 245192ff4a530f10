"""The operator of ``select``, ``with_columns``, ``rename`` and ``drop``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from sabotnb.eventtime import with_clocks_of, without_clock
from sabotnb.graph import Project, output_schema
from sabotnb.native import with_orders_of, without_orders
from sabotnb.operators.compiled_expressions import CompiledExpressions
from sabotnb.protocol import Delayed, EndReason, Operator, OperatorContext, Out


class ProjectOperator(Operator):
    """Computes each output column by an expression."""

    delayed = Delayed.KEEP

    def __init__(self, spec: Project, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._planned = inputs[0]
        self._columns = CompiledExpressions([expr for _, expr in spec.columns], inputs[0])
        self._expect(inputs[0])

    def open(self, ctx: OperatorContext) -> None:
        self._columns.load()

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        return (with_clocks_of(self._projected(without_clock(batch)), batch),)

    def _projected(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if not self._spec.columns:
            return batch.select([])  # keeps the number of rows
        columns = self._columns(batch)
        if batch.schema is not self._schema and not batch.schema.equals(self._schema):
            self._expect(batch.schema)
        return pa.RecordBatch.from_arrays(columns, schema=self._output)

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        self._columns.end()
        return ()

    def _expect(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._output = without_orders(output_schema(self._spec, [with_orders_of(schema, self._planned)]))
