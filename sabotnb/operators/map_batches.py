"""The operator of ``map_batches``: calls a user function with each batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from sabotnb.blobs import user_error
from sabotnb.errors import UserFunctionError
from sabotnb.expr import batch_advice, sample_of
from sabotnb.graph import MapBatches, OnError
from sabotnb.operators.error_policy import ErrorRows, returned_wrong
from sabotnb.operators.formats import given
from sabotnb.operators.result_conversion import WrongResult, results
from sabotnb.protocol import Delayed, Operator, OperatorContext, Out


class MapBatchesOperator(Operator):
    """Calls the function with each batch and checks its results against the declared schema.

    With ``on_error="side"`` a batch succeeds or fails as a whole: either all results of the function are passed on, or
    all rows of the batch go to the side output.
    """

    delayed = Delayed.SPLIT
    calls_function = True

    def __init__(self, spec: MapBatches, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._errors = ErrorRows(spec, inputs) if spec.on_error is OnError.SIDE else None
        self._operator = ""

    def open(self, ctx: OperatorContext) -> None:
        self._operator = ctx.operator
        self._batch_rows = ctx.config.batch_rows
        self._function = self._spec.function.load()

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        if self._errors is None:
            return self._mapped(batch)
        try:
            return list(self._mapped(batch))
        except UserFunctionError as error:
            return (self._errors.of(batch, [error]),)

    def _mapped(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        spec = self._spec
        try:
            yield from results(self._function(given(batch, spec.format)), spec, self._batch_rows)
        except WrongResult as wrong:
            raise returned_wrong(spec.function, str(wrong), sample_of(batch), self._operator) from wrong.__cause__
        except Exception as error:
            advice = batch_advice(error, batch.schema.names)
            raise user_error(spec.function, error, sample_of(batch), self._operator, advice) from error
