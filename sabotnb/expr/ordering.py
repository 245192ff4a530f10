"""Compare ordered dictionaries by the order of their categories, not as text.

Theory of operation
    Dictionaries agree if one begins as the other does; ``Categories`` refuses others. Indexes into dictionaries that
    agree compare as the values do, whichever batch they come from, so the kernels compare indexes. Equality and
    membership need no order: they compare values.

    A constant may be a category that only a later batch lists. Until a dictionary lists it, it counts as larger than
    all known categories, which is right if some later dictionary lists it after them. ``MetCategories`` keeps the
    categories for a reader of many batches; ``check``, called at the end of the input, raises if no dictionary listed
    the constant, so that a misspelt one is an error.

    The plan knows an order of most columns (``native.category_orders``). All tasks begin with it, so they agree; it is
    incomplete if a later file lists more. A constant that is listed only in batches of other tasks is refused, which
    is an error but never a wrong row. Without ``MetCategories``, one batch is the whole input and is checked at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from sabotnb.expr.column_errors import type_mismatch
from sabotnb.expr.expression_nodes import Call, Literal
from sabotnb.expr.expression_text import text
from sabotnb.expr.met_categories import MetCategories, name_of, pointing_at
from sabotnb.expr.program import CompiledStep, Compute
from sabotnb.expr.rules import RULES, Arg
from sabotnb.expr.scalars import scalar
from sabotnb.expr.types import is_text
from sabotnb.native import is_ordered, one_order

_COMPARISONS = frozenset({"less", "less_equal", "greater", "greater_equal", "is_between"})
CODE = pa.int32()


def goes_by_categories(fn: str, types: Sequence[pa.DataType]) -> bool:
    """True for a call that compares by order and has an ordered dictionary among its arguments."""
    return fn in _COMPARISONS and any(map(is_ordered, types))


def comparison_of_categories(node: Call, args: Sequence[CompiledStep], met: MetCategories | None) -> Compute:
    """Return what computes ``node``, for which ``goes_by_categories`` is true.

    Raises:
        TypeMismatch: an argument cannot be compared with categories. The returned function raises it for columns whose
            categories differ and, without ``met``, for a text that is not a category.
    """
    refuse_other_types(node, args)
    order = order_of(node, {place: arg for place, arg in enumerate(args) if arg.literal is None})
    overload = RULES[node.fn]([Arg(CODE) for _ in args], dict(node.options))
    literals = [(number, arg.literal.value) for number, arg in enumerate(args) if arg.literal is not None]
    constants = [value for _, value in literals if value is not None]

    def compute(batch: pa.RecordBatch, *values: Any) -> Any:
        columns = {number: values[number] for number, arg in enumerate(args) if arg.literal is None}
        if all(column.null_count == len(column) for column in columns.values()):
            return pa.nulls(batch.num_rows, overload.result)
        memory = met if met is not None and constants else MetCategories()
        categories = memory.of(node, constants, order)
        with pointing_at(node):
            data = {number: categories.codes(column) for number, column in columns.items()}
        if memory is not met:
            memory.check()
        for number, value in literals:
            data[number] = code_scalar(None if value is None else categories.position(value))
        return overload.kernel(*[data[number] for number in range(len(args))])

    return compute


def refuse_other_types(node: Call, args: Sequence[CompiledStep]) -> None:
    """Raise a TypeMismatch for an argument that is neither an ordered dictionary nor a constant text or null."""
    for arg in args:
        if not is_ordered(arg.type) and not _is_category(arg.literal):
            problem = f"{arg.type} has no place in the order of categories; compare text: .cast('string')"
            raise type_mismatch(f"{text(node)}\n{problem}", node)


def order_of(node: Call, columns: Mapping[int, CompiledStep]) -> pa.Array | None:
    """The order of all ``columns``, given by their place in ``node``, as far as the plan knows it.

    Raises:
        TypeMismatch: there are two orders.
    """
    with pointing_at(node):
        order = one_order([(name_of(node.args[place]), column.orders) for place, column in columns.items()])
    return None if order is None else pa.array(order, next(iter(columns.values())).type.value_type)


def code_scalar(code: int | None) -> pa.Scalar:
    """The index of a category as a scalar."""
    return scalar(code, CODE)


def _is_category(literal: Literal | None) -> bool:
    """True for a literal that may be a category: text or null."""
    return literal is not None and (literal.value is None or is_text(literal.type))
