"""Bind expressions to a schema, compile and evaluate them.

``pyarrow.compute`` and the compiler are loaded at the first call, so that describing a stream does not wait for them.
"""

from __future__ import annotations

import pyarrow as pa

from sabotnb.expr.compiled import CompiledExpression
from sabotnb.expr.expression import Expr
from sabotnb.expr.expression_parts import columns
from sabotnb.expr.met_categories import MetCategories
from sabotnb.native import with_known_orders

NARROW = 32
"""Columns of a schema that is taken as it is: looking what a long expression reads of it costs more."""


def bind(expr: Expr, schema: pa.Schema) -> pa.DataType:
    """Return the type of ``expr`` over ``schema``.

    Raises:
        ColumnNotFound: ``schema`` lacks a column of ``expr``; the message has a caret and the nearest name.
        TypeMismatch: an operation does not take the types of its arguments.
    """
    from sabotnb.expr.compiler import typed

    return typed(expr.node, _read_by(expr, schema)).type


def field_of(name: str, expr: Expr, schema: pa.Schema) -> pa.Field:
    """Return the field of a column ``name`` computed by ``expr``, with the order of its categories.

    Raises as ``bind`` does.
    """
    from sabotnb.expr.compiler import typed

    step = typed(expr.node, _read_by(expr, schema))
    return with_known_orders(pa.field(name, step.type), step.orders)


def compile(  # noqa: A001  what it does
    expr: Expr, schema: pa.Schema, met: MetCategories | None = None
) -> CompiledExpression:
    """Compile ``expr`` to a function of batches of ``schema``, to be called often; raises as ``bind`` does.

    The function returns an array of ``.type`` with the batch's length. It raises ExpressionError where a row has no
    value (overflow, division by zero, a failed cast), or UserFunctionError. With ``met``, ``met.check()`` raises for
    constants that no ordered dictionary lists.
    """
    from sabotnb.expr.compiler import compiled

    return compiled(expr.node, schema, met)


def evaluate(expr: Expr, batch: pa.RecordBatch) -> pa.Array:
    """Compute ``expr`` for ``batch``: an array of its length. Raises as the function of ``compile`` does."""
    return compile(expr, batch.schema)(batch)


def cast_exact(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Cast ``array`` to ``target``; ArrowInvalid if that would lose something, or for text that is not decimal."""
    from sabotnb.expr.casting import cast_exact as exact

    return exact(array, target)


def is_hexadecimal(texts: pa.Array | pa.ChunkedArray) -> pa.BooleanArray | pa.ChunkedArray:
    """Return a mask: true where Arrow would read the text as a hexadecimal number."""
    from sabotnb.expr.casting import is_hexadecimal as found

    return found(texts)


def is_total(expr: Expr, schema: pa.Schema) -> bool:
    """True if ``expr`` has a value for every row of ``schema``: no value can make it raise.

    Integer arithmetic can overflow, text need not be a number, and a user function can raise anything.
    """
    from sabotnb.expr.compiler import typed

    return typed(expr.node, _read_by(expr, schema)).total


def _read_by(expr: Expr, schema: pa.Schema) -> pa.Schema:
    """The columns of ``schema`` that ``expr`` reads. Wide schemas with equal parts share one cached answer this way."""
    if len(schema) <= NARROW:
        return schema
    names = sorted(columns(expr))
    places = [schema.get_field_index(name) for name in names]
    return schema if -1 in places else pa.schema([schema.field(place) for place in places])
