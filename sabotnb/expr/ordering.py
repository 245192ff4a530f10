"""Compare ordered dictionaries by the order of their categories, not of their values.

Theory of operation
    Dictionaries agree if one begins as the other does; ``Categories`` refuses others. Indexes into dictionaries that
    agree compare as the values do, whichever batch they come from, so the kernels compare indexes. Equality and
    membership need no order: they compare values.

    A constant is the category that equals it, compared as ``==`` compares. It may be a category that only a later batch
    lists. Until a dictionary lists it, it counts as larger than all known categories, which is right if some later
    dictionary lists it after them. ``MetCategories`` keeps the categories for a reader of many batches; ``check``,
    called at the end of the input, raises if no dictionary listed the constant, so that a wrong one is an error.

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
from sabotnb.expr.literals import scalar_of
from sabotnb.expr.met_categories import MetCategories, name_of, pointing_at
from sabotnb.expr.program import CompiledStep, Compute
from sabotnb.expr.recast import same_values
from sabotnb.expr.rules import RULES, Arg, Refused
from sabotnb.expr.scalars import scalar
from sabotnb.native import as_values, is_ordered, one_order

_COMPARISONS = frozenset({"less", "less_equal", "greater", "greater_equal", "is_between"})
CODE = pa.int32()


def goes_by_categories(fn: str, types: Sequence[pa.DataType]) -> bool:
    """True for a call that compares by order and has an ordered dictionary among its arguments."""
    return fn in _COMPARISONS and any(map(is_ordered, types))


def comparison_of_categories(node: Call, args: Sequence[CompiledStep], met: MetCategories | None) -> Compute:
    """Return what computes ``node``, for which ``goes_by_categories`` is true.

    Raises:
        TypeMismatch: an argument cannot be compared with categories. The returned function raises it for columns whose
            categories differ and, without ``met``, for a constant that is not a category.
    """
    literals = constants_of(node, dict(enumerate(args)))
    order = order_of(node, {place: arg for place, arg in enumerate(args) if arg.literal is None})
    overload = RULES[node.fn]([Arg(CODE) for _ in args], dict(node.options))
    constants = [value for value in literals.values() if value is not None]

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
        for number, value in literals.items():
            data[number] = code_scalar(None if value is None else categories.position(value))
        return overload.kernel(*[data[number] for number in range(len(args))])

    return compute


def constants_of(node: Call, args: Mapping[int, CompiledStep]) -> Mapping[int, pa.Scalar | None]:
    """The literals of ``args`` in the type of the categories; None for null.

    Raises:
        TypeMismatch: an argument is neither an ordered dictionary of these values nor a literal that can equal one.
    """
    ordered = next(arg.type for arg in args.values() if is_ordered(arg.type))
    for arg in args.values():
        if arg.literal is None and not (is_ordered(arg.type) and same_values(arg.type, ordered)):
            raise _without_place(node, arg.type, ordered)
    return {
        place: None if arg.literal.value is None else _category(node, arg.literal, ordered)
        for place, arg in args.items()
        if arg.literal is not None
    }


def _category(node: Call, literal: Literal, ordered: pa.DictionaryType) -> pa.Scalar:
    """A literal that is not null as a value of the categories."""
    values = ordered.value_type
    try:
        compared = RULES["equal"]([Arg(values), Arg(literal.type, literal)], {}).params[0]
    except Refused:
        raise _without_place(node, literal.type, ordered) from None
    try:
        return scalar_of(literal, compared).cast(values)
    except pa.ArrowInvalid:
        problem = f"{text(literal)} is not a category, because the categories are {values}"
        raise type_mismatch(f"{text(node)}\n{problem}; compare {as_values(values)}", node) from None


def _without_place(node: Call, data_type: pa.DataType, ordered: pa.DictionaryType) -> Exception:
    values = ordered.value_type
    other = f"{data_type} has no place in the order of categories"
    if is_ordered(data_type):
        other = f"categories of {data_type.value_type} and of {values} have no common order"
    return type_mismatch(f"{text(node)}\n{other}; compare {as_values(values)}", node)


def order_of(node: Call, columns: Mapping[int, CompiledStep]) -> pa.Array | None:
    """The order of all ``columns``, given by their place in ``node``, as far as the plan knows it.

    Raises:
        TypeMismatch: there are two orders.
    """
    with pointing_at(node):
        order = one_order([(name_of(node.args[place]), column.orders) for place, column in columns.items()])
    return None if order is None else order.cast(next(iter(columns.values())).type.value_type)


def code_scalar(code: int | None) -> pa.Scalar:
    """The index of a category as a scalar."""
    return scalar(code, CODE)
