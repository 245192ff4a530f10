"""Comparisons of ordered dictionaries: by the order of their categories, not as text.

Equality and membership need no order: they compare values, whatever the dictionaries are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from sabotnb.errors import TypeMismatch
from sabotnb.expr.column_errors import type_mismatch
from sabotnb.expr.expression_nodes import Call, Column, Literal, walk
from sabotnb.expr.expression_text import text
from sabotnb.expr.program import CompiledStep, Compute
from sabotnb.expr.rules import RULES, Arg
from sabotnb.expr.scalars import scalar
from sabotnb.expr.types import is_text
from sabotnb.native import Categories, is_ordered

_COMPARISONS = frozenset({"less", "less_equal", "greater", "greater_equal", "is_between"})
_CODE = pa.int32()


def goes_by_categories(fn: str, types: Sequence[pa.DataType]) -> bool:
    """True for a call that orders values of which some are ordered dictionaries."""
    return (fn in _COMPARISONS or fn == "clip") and any(map(is_ordered, types))


def comparison_of_categories(node: Call, args: Sequence[CompiledStep]) -> Compute:
    """What computes ``node``, one of ``goes_by_categories``.

    Raises:
        TypeMismatch: an argument has no place in the order of the others. What the function raises for batches: a text
            that is no category, or columns whose categories differ.
    """
    if node.fn == "clip":
        raise type_mismatch(f"{text(node)}\nclip does not know categories; compare text: .cast('string')", node)
    for arg in args:
        if not is_ordered(arg.type) and not _is_category(arg.literal):
            problem = f"{arg.type} has no place in the order of categories; compare text: .cast('string')"
            raise type_mismatch(f"{text(node)}\n{problem}", node)
    name = next((part.name for part in walk(node) if isinstance(part, Column)), text(node))
    overload = RULES[node.fn]([Arg(_CODE) for _ in args], dict(node.options))

    def compute(batch: pa.RecordBatch, *values: Any) -> Any:
        columns = {number: values[number] for number, arg in enumerate(args) if arg.literal is None}
        if all(column.null_count == len(column) for column in columns.values()):
            return pa.nulls(batch.num_rows, overload.result)
        categories = Categories(name)
        try:
            codes = {number: categories.codes(column) for number, column in columns.items()}
            literals = [arg.literal.value if arg.literal is not None else None for arg in args]
            given = {n: categories.code(value) for n, value in enumerate(literals) if value is not None}
        except TypeMismatch as mismatch:
            raise type_mismatch(f"{text(node)}\n{mismatch}", node) from None
        data = [codes[number] if number in codes else scalar(given.get(number), _CODE) for number in range(len(args))]
        return overload.kernel(*data)

    return compute


def _is_category(literal: Literal | None) -> bool:
    """True for a text, which may be one, and for null."""
    return literal is not None and (literal.value is None or is_text(literal.type))
