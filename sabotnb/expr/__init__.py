"""Typed expressions over columns: written with ``col``, checked against a schema, evaluated on record batches.

``Expr`` is what users write; ``Expr.node`` is the tree as plain data. The functions that compile or compute (``bind``,
``compile``, ``evaluate``, ``is_total``) load ``pyarrow.compute`` when they are first called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

import pyarrow as pa

from sabotnb.blobs import Function
from sabotnb.expr import expression_codec, expression_rewrite
from sabotnb.expr.aggregates import (
    AggregateLike,
    is_text_or_bytes,
    keeps_order,
    partial_schema,
    result_schema,
    result_type,
    value_type,
)
from sabotnb.expr.arguments import is_above, whole
from sabotnb.expr.column_errors import column_not_found, duplicate_column
from sabotnb.expr.compiled import CompiledExpression
from sabotnb.expr.conditional import Then, When, when
from sabotnb.expr.durations import calendar_units, duration_text, duration_us
from sabotnb.expr.exact import ColumnMisfit, Misfit, exact_array, exact_batch, is_open
from sabotnb.expr.expression import (
    Aggregation,
    Expr,
    as_column,
    as_expr,
    coalesce,
    col,
    count,
    duration,
    known_column,
    lit,
)
from sabotnb.expr.expression_nodes import RANGE_ENDS, Aggregated, Alias, Call, Column, Literal, Node, facts_of
from sabotnb.expr.expression_rewrite import may_be_true, unaliased, uses_of
from sabotnb.expr.function_advice import FILTER_BY_ROW, batch_advice, misses_name, row_advice
from sabotnb.expr.inference import inferred_type
from sabotnb.expr.literals import literal_of, scalar_of
from sabotnb.expr.met_categories import MetCategories
from sabotnb.expr.python_rows import python_rows
from sabotnb.expr.recast import exact_column, is_typed, recast, same_values, typed_array
from sabotnb.expr.scalars import scalar
from sabotnb.expr.text_table import printable, sample_of, text_table
from sabotnb.expr.types import common, exact_number, is_text, type_of
from sabotnb.expr.user_functions import UserAggregate, aggregate, udf
from sabotnb.native import with_known_orders

__all__ = [
    "FILTER_BY_ROW",
    "RANGE_ENDS",
    "AggregateLike",
    "Aggregated",
    "Aggregation",
    "Alias",
    "Call",
    "Column",
    "ColumnMisfit",
    "CompiledExpression",
    "Expr",
    "Literal",
    "MetCategories",
    "Misfit",
    "Node",
    "Then",
    "UserAggregate",
    "When",
    "aggregate",
    "aggregates",
    "all_of",
    "as_column",
    "as_expr",
    "batch_advice",
    "beside_aggregates",
    "bind",
    "calendar_units",
    "cast_exact",
    "coalesce",
    "col",
    "column_name",
    "column_not_found",
    "columns",
    "common",
    "compile",
    "condition_count",
    "conjuncts",
    "count",
    "duplicate_column",
    "duration",
    "duration_text",
    "duration_us",
    "evaluate",
    "exact_array",
    "exact_batch",
    "exact_column",
    "exact_number",
    "field_of",
    "from_json",
    "functions",
    "halves",
    "inferred_type",
    "is_above",
    "is_hexadecimal",
    "is_open",
    "is_text",
    "is_text_or_bytes",
    "is_total",
    "is_typed",
    "keeps_order",
    "known_column",
    "lit",
    "literal_of",
    "may_be_true",
    "misses_name",
    "partial_schema",
    "printable",
    "python_rows",
    "recast",
    "result_schema",
    "result_type",
    "root_name",
    "row_advice",
    "same",
    "same_values",
    "sample_of",
    "scalar",
    "scalar_of",
    "structure",
    "substitute",
    "text_table",
    "to_json",
    "type_of",
    "typed_array",
    "udf",
    "unaliased",
    "unnamed",
    "uses_of",
    "value_type",
    "when",
    "whole",
    "without_aggregates",
]


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


def root_name(expr: Expr) -> str | None:
    """The name that the result has by default: the alias, or the leftmost column."""
    return expression_rewrite.root_of(expr.node)


def column_name(expr: Expr) -> str | None:
    """The name of the column if ``expr`` is a plain column, with or without an alias; otherwise None."""
    node = expression_rewrite.unaliased(expr.node)
    return node.name if isinstance(node, Column) else None


def aggregates(expr: Expr) -> tuple[Aggregated, ...]:
    """The aggregates that ``expr`` is computed from, each once."""
    return expression_rewrite.aggregates_of(expr.node)


def beside_aggregates(expr: Expr) -> tuple[Column, ...]:
    """The columns that ``expr`` reads beside its aggregates."""
    return expression_rewrite.columns_beside_aggregates(expr.node)


def without_aggregates(expr: Expr, names: Mapping[Aggregated, str]) -> Expr:
    """``expr`` with each aggregate replaced by the column that holds it, by ``names``."""
    return Expr(expression_rewrite.without_aggregates(expr.node, names))


def unnamed(expr: Expr) -> Expr:
    """``expr`` without aliases around it."""
    return Expr(expression_rewrite.unaliased(expr.node))


def columns(expr: Expr) -> frozenset[str]:
    """Names of all columns that ``expr`` reads."""
    return facts_of(expr.node).columns


def same(one: Expr, other: Expr) -> bool:
    """True for equal trees. ``==`` cannot be used: it builds an expression."""
    return one.node == other.node


def structure(value: Any) -> Any:
    """Replace every expression in ``value``, also inside tuples, by its tree, so that it can be compared and hashed."""
    if isinstance(value, Expr):
        return value.node
    return tuple(structure(item) for item in value) if isinstance(value, tuple) else value


def substitute(expr: Expr, replacements: Mapping[str, Expr]) -> Expr:
    """``expr`` with columns replaced by the expressions that compute them."""
    used = {name: replacements[name].node for name in columns(expr) if name in replacements}
    if not used:
        return expr
    return Expr(expression_rewrite.substituted(expr.node, used))


def condition_count(expr: Expr) -> int:
    """How many conditions ``&`` connects in ``expr``; cheap for a tree whose parts were counted before."""
    return expression_rewrite.condition_count(expr.node)


def halves(expr: Expr) -> tuple[Expr, ...]:
    """The two arguments of the outermost ``&``, which may be conjunctions themselves; none for other expressions."""
    return tuple(Expr(node) for node in expression_rewrite.halves_of(expr.node))


def conjuncts(expr: Expr) -> tuple[Expr, ...]:
    """The conditions that ``&`` connects, left to right; any other expression alone."""
    return tuple(Expr(node) for node in expression_rewrite.conjuncts_of(expr.node))


def all_of(exprs: Iterable[Expr]) -> Expr:
    """All conditions connected by ``&``; ``lit(True)`` if there are none."""
    given = [*exprs]
    return reduce(lambda left, right: left & right, given) if given else lit(value=True)


def functions(expr: Expr) -> tuple[Function, ...]:
    """The user functions in ``expr``, each once, in order."""
    return facts_of(expr.node).functions


def to_json(expr: Expr) -> Any:
    """``expr`` as data that JSON can hold; functions are written as their sha256."""
    return expression_codec.written(expr.node)


def from_json(data: Any, functions: Mapping[str, Function]) -> Expr:
    """Read what ``to_json`` wrote; ``functions`` are by sha256."""
    return Expr(expression_codec.read(data, functions))
