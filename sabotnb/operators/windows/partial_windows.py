"""The operator that aggregates the rows of each window within a batch, before they are sent to another task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from sabotnb.graph import LATE, Aggregate, Window, output_schema
from sabotnb.operators.category_codes import CategoryCodes
from sabotnb.operators.windows.admission import Admission
from sabotnb.operators.windows.pane_store import placed
from sabotnb.protocol import MIN_WATERMARK, Delayed, Operator, OperatorContext, Out
from sabotnb.state import BatchPartials


class PartialWindowOperator(Operator):
    """Returns mergeable aggregates per pane and key, beside the place of the pane; keeps no rows between batches.

    Which rows are late follows from their clocks alone, so late rows leave here.
    """

    delayed = Delayed.TAKE

    def __init__(self, spec: Window, inputs: Sequence[pa.Schema]) -> None:
        assert isinstance(spec.verb, Aggregate)
        assert spec.time is not None
        self._verb = spec.verb
        self._admission = Admission(spec, inputs, _read_by(spec.verb, inputs[0]) or [spec.time])
        self._output = output_schema(spec, inputs)

    def open(self, ctx: OperatorContext) -> None:
        self._ctx = ctx
        self._codes = CategoryCodes(self._verb)
        self._local = BatchPartials(self._codes.keys, self._codes.columns, self._codes.schema)

    def process(self, port: int, batch: pa.RecordBatch) -> Iterator[Out]:
        for place, rows in self._admission.divide(batch, MIN_WATERMARK):
            if place is None:
                self._ctx.counters.count_late(self._ctx.operator, rows.num_rows)
                yield LATE, rows
            else:
                partials = self._codes.partials(self._local.partials(self._codes.coded(rows)))
                yield placed(place, partials, self._output)


def _read_by(verb: Aggregate, schema: pa.Schema) -> list[str]:
    """The columns of ``schema`` that an aggregate reads."""
    read = {*verb.keys, *(name for column in verb.columns for name in (column.column, column.by))}
    return [name for name in schema.names if name in read]
