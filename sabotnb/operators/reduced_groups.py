"""The folds of each key, as the state of ``reduce``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from sabotnb.blobs import user_error
from sabotnb.errors import UserFunctionError
from sabotnb.expr import ColumnMisfit, exact_batch, row_advice, text_table
from sabotnb.graph import Reduce
from sabotnb.native import Orders, is_ordered, without_order
from sabotnb.operators.error_policy import returned_wrong
from sabotnb.operators.exported_categories import WithCategories
from sabotnb.protocol import KeyedState, OperatorContext
from sabotnb.state import KeySet, Reducers, Row


class ReducedGroups:
    """Calls ``function(left, right)`` with the result so far of a key and its next row, as dicts."""

    def __init__(self, spec: Reduce, schema: pa.Schema, groups: int, ctx: OperatorContext) -> None:
        """Fold rows of ``schema``; loads the function, which does not see keys that are not columns of its schema."""
        self._spec = spec
        self._operator = ctx.operator
        self._limit = ctx.config.batch_rows
        self._names = frozenset(spec.schema.names)
        self._function = spec.function.load()
        keys = pa.schema([schema.field(key) for key in spec.keys])
        self._orders = Orders(keys)
        self._init = spec.init.load if spec.init is not None else None
        if self._init is not None:
            self._init()  # a module that it lacks is reported now, before any row is processed
        hidden = [key for key in keys if key.name not in self._names]
        self._output = pa.schema([*hidden, *spec.schema])
        visible = [name for name in schema.names if name in self._names] if hidden else None
        self._folds = Reducers(without_order(keys), self._folded, self._init, groups, visible)
        self.keyed: KeyedState = (
            WithCategories(self._folds, self._orders.columns, keys) if self._orders.columns else self._folds
        )

    def add(self, batch: pa.RecordBatch) -> None:
        """Fold rows into the dicts of their keys."""
        self._orders.take(batch)
        self._folds.update(batch)

    def results(self, among: KeySet | None = None) -> Iterator[pa.RecordBatch]:
        """Yield a row per key, or per key ``among`` some: the key, and the result; missing columns are null."""
        for rows, keys in self._folds.results(self._limit):
            if among is None:
                yield self._batch(rows, keys)
            elif len(numbers := np.flatnonzero(among.has(keys))):
                chosen = pa.array(numbers)
                yield self._batch([rows[number] for number in numbers], [key.take(chosen) for key in keys])

    def result_of_no_rows(self) -> Iterator[pa.RecordBatch]:
        """Yield the result of ``init`` if there are no rows and no keys."""
        if not self._folds.groups() and self._init is not None and not self._spec.keys:
            yield self._batch([self._init()], [])

    def _folded(self, left: Row, right: Row) -> Row:
        try:
            result = self._function(left, right)
        except Exception as error:
            sample = text_table(list(right), [right])
            advice = row_advice(error, list(right))
            raise user_error(self._spec.function, error, sample, self._operator, advice) from error
        if not isinstance(result, Mapping) or not self._names.issuperset(result):
            raise self._wrong(
                f"gave {result!r}; it must give a dict with columns of {', '.join(self._spec.schema.names)}"
            )
        return result

    def _batch(self, rows: Sequence[Row], keys: Sequence[pa.Array]) -> pa.RecordBatch:
        schema = self._output
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
        return returned_wrong(self._spec.function, problem, operator=self._operator)


def _problem(misfit: ColumnMisfit) -> str:
    column = misfit.column
    return (
        f"gave {column.name!r} = {misfit.what}, but the column is {column.type}: give that, or make the column what it "
        f"gives before: .with_columns({column.name}=col({column.name!r}).cast('double'))"
    )
