"""Compile an expression for a schema to a function of record batches, and check types on the way.

Theory of operation
    The tree is compiled bottom-up into one ``CompiledStep`` per node object, without recursion, because loops write
    expressions of any depth. A step knows its type, whether it may raise (``total``), and how to compute its value from
    its arguments' values; ``sabotnb.expr.program`` runs the steps.

    A call asks its rule for the overload that takes the arguments' types. Each argument is then converted to the type
    that the overload wants: a literal once, now; a column for every batch. The kernel is tried on empty arrays, so that
    a combination that Arrow lacks raises here and not in a running job.

    Arguments that may raise are not computed for rows that do not need them: for ``&``, ``|`` and ``when`` they become
    branches of a guarded step. If they are total, the kernel computes them for all rows, which is faster.

    Two caches hold results. Schemas are looked up by identity first, because hashing a wide schema costs as much as its
    width, then by value. Steps are by the id of their node: a loop that adds to an expression compiles only what
    is new. Nothing that calls a user function is cached, because each task unpickles its own function, whose modules
    may have changed. With ``met``, which belongs to one reader, neither cache is used for ordered columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import pyarrow as pa

from sabotnb.errors import ExpressionError
from sabotnb.expr.applying import applied
from sabotnb.expr.category_choice import choice_of_categories, chooses_categories
from sabotnb.expr.column_errors import column_not_found, type_mismatch
from sabotnb.expr.columnar import convert, on_dictionary
from sabotnb.expr.compiled import CompiledExpression, of_length
from sabotnb.expr.expression_nodes import Aggregated, Alias, Apply, Call, Column, Literal, Node, children, walk
from sabotnb.expr.expression_text import text
from sabotnb.expr.guarded import Convert, guarded_case, guarded_connective
from sabotnb.expr.literals import own_scalar, scalar_of
from sabotnb.expr.met_categories import MetCategories
from sabotnb.expr.ordering import comparison_of_categories, goes_by_categories
from sabotnb.expr.overloads import demand_kernel, overload_of
from sabotnb.expr.program import CompiledStep, Compute, Guarded, runner
from sabotnb.expr.rules import Arg, Overload
from sabotnb.expr.types import always_fits, is_machine_number, is_text, plain
from sabotnb.native import is_ordered, known_orders
from sabotnb.traversal import bottom_up

MOST_NODES = 50_000
"""Nodes of one schema that are remembered."""

MOST_COMPILED = 2048
"""Compiled expressions of one schema that are remembered."""


def compiled(node: Node, schema: pa.Schema, met: MetCategories | None = None) -> CompiledExpression:
    """Compile ``node`` for batches of ``schema``; results for the most recent schemas are cached.

    Expressions with user functions are not cached: every task loads its own, and a module that they use may have
    changed. Nor are those with a memory ``met`` of ordered columns, which belongs to one reader.
    """
    if met is not None and any(is_ordered(field.type) for field in schema):
        return _compiled(node, schema, met)
    if any(isinstance(part, Apply) for part in walk(node)):
        return _compiled(node, schema)
    known = _known_of(_SameSchema(schema)).compiled
    found = known.get(node)
    if found is None:
        if len(known) >= MOST_COMPILED:
            known.clear()
        found = known[node] = _compiled(node, schema)
    return found


def _compiled(node: Node, schema: pa.Schema, met: MetCategories | None = None) -> CompiledExpression:
    step = typed(node, schema, met)
    return CompiledExpression(step.type, runner(step), step.total)


@dataclass(frozen=True, slots=True)
class _Known:
    """The cache for one schema.

    ``steps`` are by the ids of nodes. The entry keeps its node alive, so that no other object can get the same id.
    Loops write expressions that contain the previous one; only what is new is compiled.
    """

    steps: dict[int, tuple[Node, CompiledStep]] = field(default_factory=dict)
    compiled: dict[Node, CompiledExpression] = field(default_factory=dict)


class _SameSchema:
    """A cache key for a schema, by identity: hashing all fields for each expression of a schema would be quadratic."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _SameSchema) and self.schema is other.schema

    def __hash__(self) -> int:
        return id(self.schema)


@lru_cache(maxsize=64)
def _known_of(same: _SameSchema) -> _Known:
    if any(is_ordered(field.type) for field in same.schema):
        return _Known()  # schemas are equal whatever the orders of their categories
    return _known_of_equal(same.schema)


@lru_cache(maxsize=64)
def _known_of_equal(_: pa.Schema) -> _Known:
    return _Known()


def typed(node: Node, schema: pa.Schema, met: MetCategories | None = None) -> CompiledStep:
    """Return the step of ``node``: its type, and whether it may raise. Only parts that are not cached are compiled."""
    known = _known_of(_SameSchema(schema)).steps if met is None else {}
    if len(known) > MOST_NODES:
        known.clear()
    made: dict[int, CompiledStep] = {}

    def not_made(part: Node) -> tuple[Node, ...]:
        found = known.get(id(part))
        if found is not None:
            made[id(part)] = found[1]
        return () if found is not None else children(part)

    for part in bottom_up((node,), not_made):
        if id(part) not in made:
            step = _of(part, [made[id(arg)] for arg in children(part)], schema, met)
            made[id(part)] = step
            if not step.uses_functions:
                known[id(part)] = part, step
    return made[id(node)]


def _of(node: Node, steps: Sequence[CompiledStep], schema: pa.Schema, met: MetCategories | None) -> CompiledStep:
    match node:
        case Column(name=name):
            return _column(name, node, schema)
        case Literal():
            constant = own_scalar(node)
            return CompiledStep(node.type, lambda _: constant, literal=node)
        case Alias():
            return steps[0]
        case Apply():
            for number, step in enumerate(steps, 1):
                if node.engine == "numba" and not is_machine_number(step.type):
                    raise type_mismatch(
                        f"{node.function.name} is compiled by numba, which takes numbers, and its argument {number} is "
                        f"{step.type}; call it with each row: @sb.udf({str(node.returns)!r}, engine='row')",
                        node,
                    )
            return CompiledStep(node.returns, applied(node), tuple(steps), total=False, uses_functions=True)
        case Aggregated():
            raise type_mismatch(f"{text(node)} is one value per group, so a row has none\n{_IN_AGG}", node)
        case Call():
            return _call(node, steps, met)


_IN_AGG = "use it in agg(...), as .group_by('key').agg(total=col('x').sum()), and join the result for a value per row"


def _column(name: str, node: Column, schema: pa.Schema) -> CompiledStep:
    index = schema.get_field_index(name)
    if index < 0:
        raise column_not_found(name, schema, node.origin)
    field = schema.field(index)
    return CompiledStep(field.type, lambda batch: batch.column(index), orders=known_orders(field))


def _call(node: Call, steps: Sequence[CompiledStep], met: MetCategories | None) -> CompiledStep:
    functions = any(step.uses_functions for step in steps)
    if goes_by_categories(node.fn, [step.type for step in steps]):
        compared = comparison_of_categories(node, steps, met)
        return CompiledStep(pa.bool_(), compared, tuple(steps), total=False, uses_functions=functions)
    if chooses_categories(node.fn, steps):
        return choice_of_categories(node, steps)
    overload = overload_of(node, [Arg(plain(step.type), step.literal) for step in steps])
    demand_kernel(node, overload)
    converted = [_converted(step, param, node) for step, param in zip(steps, overload.params, strict=True)]
    converts, total = [convert for convert, _ in converted], overload.total and all(safe for _, safe in converted)
    args: tuple[CompiledStep, ...] = tuple(steps)
    branches: tuple[CompiledStep, ...] = ()
    if node.fn in ("and", "or") and not steps[1].total:
        compute: Compute = guarded_connective(node.fn, *converts)
        args, branches = args[:1], args[1:]
    elif node.fn == "case" and not total:
        compute = _named_branch_errors(guarded_case(converts, overload.result), node)
        args, branches = args[:1], args[1:]
    else:
        compute = _direct(steps, converts, overload, total=total)
    if not total and not branches:
        compute = _named_errors(compute, node)
    return CompiledStep(overload.result, compute, args, branches, total, uses_functions=functions)


def _literal_scalar(literal: Literal, param: pa.DataType, node: Call) -> pa.Scalar | None:
    """The literal as ``param``; TypeMismatch if it does not fit; None if its fixed type must convert as a column."""
    try:
        return scalar_of(literal, param)
    except pa.ArrowInvalid as error:
        if not literal.flexible:
            return None
        advice = "write it as ISO 8601" if is_text(literal.type) else "cast the other side to a coarser unit"
        raise type_mismatch(f"{text(node)}\n{text(literal)} is not a {param}: {error}; {advice}", node) from error


def _converted(step: CompiledStep, param: pa.DataType, node: Call) -> tuple[Convert, bool]:
    """A function that converts the value of ``step`` to ``param``, and whether the result has a value for every row."""
    scalar = _literal_scalar(step.literal, param, node) if step.literal is not None else None
    if scalar is not None:
        return (lambda _: scalar), True
    if step.type.equals(param):
        return _as_it_is, step.total
    return (lambda value: convert(value, param)), step.total and always_fits(step.type, param)


def _as_it_is(value: Any) -> Any:
    return value


def _direct(steps: Sequence[CompiledStep], converts: Sequence[Convert], overload: Overload, *, total: bool) -> Compute:
    kernel = overload.kernel
    varying = [place for place, step in enumerate(steps) if step.literal is None]
    if not varying:
        return _constant(converts, overload)
    if len(varying) == 1 and total and overload.strict and pa.types.is_dictionary(steps[varying[0]].type):
        return _by_dictionary(converts, varying[0], overload)
    if all(make is _as_it_is for make in converts):
        return lambda _, *values: kernel(*values)
    if len(converts) == 2:
        left, right = converts
        return lambda _, one, other: kernel(left(one), right(other))
    return lambda _, *values: kernel(*[make(value) for make, value in zip(converts, values, strict=True)])


def _constant(converts: Sequence[Convert], overload: Overload) -> Compute:
    """Compute a call of literals alone, on one row: some kernels need an array that says the length."""

    def compute(_: pa.RecordBatch, *values: Any) -> pa.Scalar:
        given = zip(converts, values, overload.params, strict=True)
        return overload.kernel(*[of_length(make(value), param, 1) for make, value, param in given])[0]

    return compute


def _by_dictionary(converts: Sequence[Convert], place: int, overload: Overload) -> Compute:
    """Compute each distinct value once, where the only column is dictionary-encoded."""
    param, kernel = overload.params[place], overload.kernel

    def compute(_: pa.RecordBatch, *given: Any) -> Any:
        constants = [None if at == place else make(given[at]) for at, make in enumerate(converts)]

        def of_values(values: Any) -> Any:
            return kernel(*[values if at == place else constant for at, constant in enumerate(constants)])

        return on_dictionary(given[place], param, of_values)

    return compute


def _named_errors(compute: Compute, node: Call) -> Compute:
    def checked(batch: pa.RecordBatch, *values: Any) -> Any:
        try:
            return compute(batch, *values)
        except pa.ArrowInvalid as error:
            raise _named(error, node) from error

    return checked


def _named_branch_errors(compute: Callable[..., Guarded], node: Call) -> Callable[..., Guarded]:
    """As ``_named_errors`` for a guarded step. Errors of its branches are named in their own steps."""

    def checked(batch: pa.RecordBatch, *values: Any) -> Guarded:
        try:
            return (yield from compute(batch, *values))
        except pa.ArrowInvalid as error:
            raise _named(error, node) from error

    return checked


def _named(error: pa.ArrowInvalid, node: Call) -> ExpressionError:
    return ExpressionError(f"{text(node)}: {error}; {_advice(node, str(error))}")


def _advice(node: Call, problem: str) -> str:
    if "zero" in problem:
        return "guard it: when(divisor != 0).then(...), or filter such rows out before"
    if "out of bounds timestamp" in problem:
        return "coarser units reach farther: .cast('timestamp[us]')"
    if "overflow" in problem or "out of bounds" in problem or "not in range" in problem:
        return "cast to a wider type before: .cast('int64') or .cast('double')"
    if node.fn == "cast":
        return "correct or filter out such values before"
    return "guard it with when(...).then(...), or filter such rows out before"
