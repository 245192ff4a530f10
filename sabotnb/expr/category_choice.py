"""``when/then/otherwise``, ``coalesce``, ``fill_null`` and ``clip`` of ordered dictionaries: the order is kept.

All columns must have one order; the result has its longest form. The kernels choose among indexes into it. A constant
must be a category that is known when the plan is written: its index must be the same in all batches of all tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sabotnb.expr.column_errors import type_mismatch
from sabotnb.expr.columnar import convert
from sabotnb.expr.expression_nodes import Call
from sabotnb.expr.expression_text import text
from sabotnb.expr.guarded import Convert, guarded_case
from sabotnb.expr.literals import literal_of, text_of
from sabotnb.expr.met_categories import categories_of, name_of, pointing_at
from sabotnb.expr.ordering import CODE, code_scalar, constants_of, order_of
from sabotnb.expr.overloads import overload_of
from sabotnb.expr.program import CompiledStep, Guarded
from sabotnb.expr.rules import Arg, Overload
from sabotnb.expr.types import is_text
from sabotnb.native import Categories, as_values, is_ordered


def chooses_categories(fn: str, steps: Sequence[CompiledStep]) -> bool:
    """True for a call that returns one of its arguments and has an ordered dictionary among them."""
    return fn in ("case", "coalesce", "clip") and any(is_ordered(steps[place].type) for place in _values(fn, steps))


def _values(fn: str, steps: Sequence[CompiledStep]) -> list[int]:
    """The places of the arguments that may be returned; the others are conditions."""
    places = range(len(steps))
    return [*places[1::2], places[-1]] if fn == "case" else [*places]


def choice_of_categories(node: Call, steps: Sequence[CompiledStep]) -> CompiledStep:
    """Return the step of ``node``, for which ``chooses_categories`` is true.

    Raises:
        TypeMismatch: arguments of two orders, one without an order, or a constant that is not a category.
    """
    values = {place: steps[place] for place in _values(node.fn, steps)}
    columns = {place: step for place, step in values.items() if step.literal is None}
    literals = constants_of(node, values)
    order, name = order_of(node, columns), name_of(node.args[next(iter(columns))])
    constants = {place: _constant(node, name, value, order) for place, value in literals.items()}
    kinds = [Arg(CODE) if place in values else Arg(step.type, step.literal) for place, step in enumerate(steps)]
    overload = overload_of(node, kinds)
    choice = _Choice(node, name, order, _result([*columns.values()]), overload, constants, frozenset(columns))
    functions = any(step.uses_functions for step in steps)
    lazy = node.fn == "case" and not all(step.total for step in steps[1:])
    compute: Callable[..., Any] = choice.guarded if lazy else choice.direct
    args, branches = (tuple(steps[:1]), tuple(steps[1:])) if lazy else (tuple(steps), ())
    orders = () if order is None else (order,)
    return CompiledStep(choice.result, compute, args, branches, total=False, uses_functions=functions, orders=orders)


@dataclass(frozen=True, slots=True)
class _Choice:
    """``constants`` and ``columns`` are the places of the arguments that may be returned."""

    node: Call
    name: str
    order: pa.Array | None
    result: pa.DictionaryType
    overload: Overload
    constants: Mapping[int, pa.Scalar]
    columns: frozenset[int]

    def direct(self, _: pa.RecordBatch, *given: Any) -> pa.Array:
        """Compute the choice from the values of all arguments."""
        with pointing_at(self.node):
            categories = categories_of(self.name, self.order)
            made = [to_code(value) for to_code, value in zip(self._converts(categories), given, strict=True)]
        return categories.restored(self.overload.kernel(*made), self.result)

    def guarded(self, batch: pa.RecordBatch, first: Any) -> Guarded:
        """Compute each branch for its rows alone; ``first`` is the value of the first condition."""
        with pointing_at(self.node):
            categories = categories_of(self.name, self.order)
            codes = yield from guarded_case(self._converts(categories), CODE)(batch, first)
        return categories.restored(codes, self.result)

    def _converts(self, categories: Categories) -> list[Convert]:
        def convert_of(place: int, param: pa.DataType) -> Convert:
            if place in self.constants:
                return lambda _: self.constants[place]
            return categories.codes if place in self.columns else lambda value: convert(value, param)

        return [convert_of(place, param) for place, param in enumerate(self.overload.params)]


def _constant(node: Call, name: str, value: pa.Scalar | None, order: pa.Array | None) -> pa.Scalar:
    """The index of a constant; TypeMismatch if it is not a category, or if no order is known."""
    if value is None:
        return code_scalar(None)
    if order is None:
        problem = (
            f"the categories of {name!r} are not known before the job runs, so {text_of(literal_of(value))} may be none"
        )
        raise type_mismatch(f"{text(node)}\n{problem}; use {as_values(value.type)}", node)
    with pointing_at(node):
        return code_scalar(categories_of(name, order).code(value))


def _result(columns: Sequence[CompiledStep]) -> pa.DictionaryType:
    """The type of all columns, whose values may be text (or bytes) of several layouts."""
    first = columns[0].type
    if all(column.type.equals(first) for column in columns):
        return first
    large = pa.large_string() if is_text(first.value_type) else pa.large_binary()
    return pa.dictionary(CODE, large, ordered=True)
