"""Expressions of an operator, compiled once per schema that its batches have."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sabotnb.expr import CompiledExpression, Expr, MetCategories, compile, functions  # noqa: A004  what it does


class CompiledExpressions:
    """Computes expressions of batch after batch.

    A column may come dictionary-encoded in one batch and plain in the next, so each new schema is compiled for.
    """

    def __init__(self, exprs: Sequence[Expr], schema: pa.Schema) -> None:
        self._exprs = tuple(exprs)
        self._met = MetCategories()
        self._compile(schema)

    def load(self) -> None:
        """Unpickle the functions of the user once, so that a missing module is known before any row flows."""
        for one in self._exprs:
            for function in functions(one):
                function.load()

    def __call__(self, batch: pa.RecordBatch) -> list[pa.Array]:
        """One array per expression, of the batch's length."""
        if batch.schema is not self._schema and not batch.schema.equals(self._schema):
            self._compile(batch.schema)
        return [compiled(batch) for compiled in self._compiled]

    def end(self) -> None:
        """Call after the last batch; TypeMismatch for a comparison with what was a category in no batch."""
        self._met.check()

    def _compile(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._compiled: list[CompiledExpression] = [compile(one, schema, self._met) for one in self._exprs]
