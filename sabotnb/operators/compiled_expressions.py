"""Compile the expressions of an operator once per schema of its batches."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sabotnb.expr import CompiledExpression, Expr, MetCategories, compile, functions  # noqa: A004  what it does
from sabotnb.native import with_orders_of


class CompiledExpressions:
    """Computes the expressions of an operator for each batch.

    A column may be dictionary-encoded in one batch and plain in the next, so a change of schema compiles again. Orders
    of categories are those of the planned schema.
    """

    def __init__(self, exprs: Sequence[Expr], schema: pa.Schema) -> None:
        self._exprs = tuple(exprs)
        self._planned = schema
        self._met = MetCategories()
        self._compile(schema)

    def load(self) -> None:
        """Unpickle the user's functions, so that a missing module is reported before any row is processed."""
        for expression in self._exprs:
            for function in functions(expression):
                function.load()

    def __call__(self, batch: pa.RecordBatch) -> list[pa.Array]:
        """Return one array per expression, of the batch's length."""
        if batch.schema is not self._schema and not batch.schema.equals(self._schema):
            self._compile(batch.schema)
        return [compiled(batch) for compiled in self._compiled]

    def end(self) -> None:
        """Call after the last batch. Raises TypeMismatch if a text in a comparison is in no dictionary."""
        self._met.check()

    def _compile(self, schema: pa.Schema) -> None:
        self._schema = schema
        ordered = with_orders_of(schema, self._planned)
        self._compiled: list[CompiledExpression] = [
            compile(expression, ordered, self._met) for expression in self._exprs
        ]
