"""Typed expressions over columns: written with ``col``, checked against a schema, evaluated on record batches.

``Expr`` is what users write; ``Expr.node`` is the tree as plain data. The functions that compile or compute (``bind``,
``compile``, ``evaluate``, ``is_total``) load ``pyarrow.compute`` when they are first called.
"""

from sabotnb.expr.aggregates import (
    MADE_OF,
    AggregateLike,
    hidden_source,
    is_text_or_bytes,
    keeps_order,
    partial_schema,
    result_schema,
    result_type,
    value_type,
)
from sabotnb.expr.arguments import is_above, whole
from sabotnb.expr.column_errors import column_not_found, duplicate_column, nearest
from sabotnb.expr.compiled import CompiledExpression
from sabotnb.expr.conditional import Then, When, when
from sabotnb.expr.constructors import coalesce, col, count, duration, known_column, lit
from sabotnb.expr.durations import calendar_units, duration_text, duration_us
from sabotnb.expr.evaluation import (
    bind,
    cast_exact,
    compile,  # noqa: A004
    evaluate,
    field_of,
    is_hexadecimal,
    is_total,
)
from sabotnb.expr.exact import ColumnMisfit, Misfit, exact_array, exact_batch, is_open
from sabotnb.expr.expression import Aggregation, Expr, as_column, as_expr
from sabotnb.expr.expression_codec import from_json, to_json
from sabotnb.expr.expression_nodes import RANGE_ENDS, Aggregated, Alias, Call, Column, Literal, Node, root_column
from sabotnb.expr.expression_parts import (
    aggregates,
    all_of,
    beside_aggregates,
    column_name,
    columns,
    condition_count,
    conjuncts,
    functions,
    halves,
    root_name,
    same,
    structure,
    substitute,
    unnamed,
    without_aggregates,
)
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

__all__ = [
    "FILTER_BY_ROW",
    "MADE_OF",
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
    "hidden_source",
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
    "nearest",
    "partial_schema",
    "printable",
    "python_rows",
    "recast",
    "result_schema",
    "result_type",
    "root_column",
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
