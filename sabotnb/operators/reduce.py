"""The operator of ``reduce``: folds the rows of each key by a user function."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa

from sabotnb.blobs import user_error
from sabotnb.errors import UserFunctionError
from sabotnb.expr import ColumnMisfit, exact_batch, row_advice, text_table
from sabotnb.graph import Reduce
from sabotnb.native import Orders, is_ordered, without_order
from sabotnb.operators.error_policy import returned_wrong
from sabotnb.operators.exported_categories import WithCategories
from sabotnb.protocol import EndReason, Operator, OperatorContext, Out, StateSpec
from sabotnb.state import Reducers, Row


class ReduceOperator(Operator):
    """Calls ``function(left, right)`` with the result so far of a key and its next row, as dicts.

    Returns one row per key when the input has ended: the key, and the final result; missing columns are null. Without
    keys and with ``init``, the first task returns the result of ``init`` if there are no rows.
    """

    def __init__(self, spec: Reduce, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._input = inputs[0]
        self._names = frozenset(spec.schema.names)

    def open(self, ctx: OperatorContext) -> None:
        self._ctx = ctx
        self._function = self._spec.function.load()
        keys = pa.schema([self._input.field(key) for key in self._spec.keys])
        self._orders = Orders(keys)
        self._init = self._spec.init.load if self._spec.init is not None else None
        if self._init is not None:
            self._init()  # a module that it lacks is reported now, before any row is processed
        self._folds = Reducers(without_order(keys), self._folded, self._init, ctx.groups)
        moving = WithCategories(self._folds, self._orders.columns, keys) if self._orders.columns else self._folds
        ctx.keyed(StateSpec("folds"), moving)

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        self._orders.take(batch)
        self._folds.update(batch)
        return ()

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        empty = not self._folds.groups()
        if empty and self._init is not None and not self._spec.keys and self._ctx.index == 0:
            yield self._batch([self._init()], [])
        yield from self._results()

    def _results(self) -> Iterator[pa.RecordBatch]:
        for rows, keys in self._folds.results(self._ctx.config.batch_rows):
            yield self._batch(rows, keys)

    def _folded(self, left: Row, right: Row) -> Row:
        try:
            result = self._function(left, right)
        except Exception as error:
            sample = text_table(list(right), [right])
            advice = row_advice(error, list(right))
            raise user_error(self._spec.function, error, sample, self._ctx.operator, advice) from error
        if not isinstance(result, Mapping) or not self._names.issuperset(result):
            raise self._wrong(
                f"gave {result!r}; it must give a dict with columns of {', '.join(self._spec.schema.names)}"
            )
        return result

    def _batch(self, rows: Sequence[Row], keys: Sequence[pa.Array]) -> pa.RecordBatch:
        schema = self._spec.schema
        known = dict(zip(self._spec.keys, keys, strict=bool(keys)))
        try:
            made = exact_batch(rows, pa.schema([field for field in schema if field.name not in known]))
        except ColumnMisfit as misfit:
            raise self._wrong(_problem(misfit)) from misfit
        columns = [
            self._key(known[field.name], field) if field.name in known else made.column(field.name) for field in schema
        ]
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    def _key(self, column: pa.Array, field: pa.Field) -> pa.Array:
        return self._orders[field.name].encoded(column, field.type) if is_ordered(field.type) else column

    def _wrong(self, problem: str) -> UserFunctionError:
        return returned_wrong(self._spec.function, problem, operator=self._ctx.operator)


def _problem(misfit: ColumnMisfit) -> str:
    column = misfit.column
    return (
        f"gave {column.name!r} = {misfit.what}, but the column is {column.type}: give that, or make the column what it "
        f"gives before: .with_columns({column.name}=col({column.name!r}).cast('double'))"
    )
