"""The operators of ``filter``: by an expression, and by a function that returns a mask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from sabotnb.blobs import user_error
from sabotnb.errors import UserFunctionError
from sabotnb.eventtime import without_clock
from sabotnb.expr import FILTER_BY_ROW, batch_advice, sample_of
from sabotnb.graph import Filter, FilterBatches
from sabotnb.native import checked, decoded_batch
from sabotnb.operators.compiled_expressions import CompiledExpressions
from sabotnb.operators.error_policy import returned_wrong
from sabotnb.protocol import Delayed, EndReason, Operator, OperatorContext, Out


class FilterOperator(Operator):
    """Keeps rows for which the predicate is true. A batch of which all rows are kept is passed on without a copy."""

    delayed = Delayed.KEEP

    def __init__(self, spec: Filter, inputs: Sequence[pa.Schema]) -> None:
        self._predicate = CompiledExpressions([spec.predicate], inputs[0])

    def open(self, ctx: OperatorContext) -> None:
        self._predicate.load()

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        (mask,) = self._predicate(without_clock(batch))
        return kept(batch, mask)

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        self._predicate.end()
        return ()


class FilterBatchesOperator(Operator):
    """Keeps rows for which the user's function returns true."""

    delayed = Delayed.SPLIT
    calls_function = True

    def __init__(self, spec: FilterBatches, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._operator = ""

    def open(self, ctx: OperatorContext) -> None:
        self._operator = ctx.operator
        self._function = self._spec.function.load()

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        try:
            result = self._function(decoded_batch(batch))
        except Exception as error:
            advice = batch_advice(error, batch.schema.names, FILTER_BY_ROW)
            raise user_error(self._spec.function, error, sample_of(batch), self._operator, advice) from error
        return kept(batch, self._mask(result, batch))

    def _mask(self, result: Any, batch: pa.RecordBatch) -> pa.BooleanArray:
        try:
            mask = result if isinstance(result, pa.Array | pa.ChunkedArray) else pa.array(result)
        except (pa.ArrowException, TypeError) as error:
            raise self._wrong(f"gave {type(result).__name__}", batch) from error
        try:
            mask = checked(mask, text=False)
        except pa.ArrowException as error:
            raise self._wrong(f"gave a broken Arrow array ({error})", batch) from error
        if not pa.types.is_boolean(mask.type):
            raise self._wrong(f"gave {mask.type}", batch)
        if len(mask) != batch.num_rows:
            raise self._wrong(f"gave {len(mask)} values for {batch.num_rows} rows", batch)
        return mask

    def _wrong(self, problem: str, batch: pa.RecordBatch) -> UserFunctionError:
        advice = "a filter gives one boolean per row, as in pc.greater(batch['x'], 0)"
        return returned_wrong(self._spec.function, f"{problem}; {advice}", sample_of(batch), self._operator)


def kept(batch: pa.RecordBatch, mask: pa.BooleanArray) -> Iterable[pa.RecordBatch]:
    """The rows where ``mask`` is true: the batch itself if all are, nothing if none are."""
    count = mask.true_count
    if count == batch.num_rows:
        return (batch,)
    return (batch.filter(mask),) if count else ()
