"""From an expression and a schema to a function of record batches; types are checked on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa

from sabotnb.errors import ExpressionError
from sabotnb.expr.applying import applied
from sabotnb.expr.columnar import convert, on_dictionary
from sabotnb.expr.compiled import Compiled, Run, of_length
from sabotnb.expr.guarded import guarded_case, guarded_connective
from sabotnb.expr.literals import own_scalar, scalar_of
from sabotnb.expr.messages import column_not_found, type_mismatch
from sabotnb.expr.nodes import Aggregated, Alias, Apply, Call, Column, Literal, Node, walk
from sabotnb.expr.ordering import comparison_of_categories, goes_by_categories
from sabotnb.expr.rules import RULES, Arg, Overload, Refused
from sabotnb.expr.text import text
from sabotnb.expr.types import always_fits, is_text, plain
from sabotnb.native.categories import is_ordered


@dataclass(frozen=True, slots=True)
class Step:
    """A compiled node. ``total``: it never raises."""

    type: pa.DataType
    run: Run
    total: bool = True
    literal: Literal | None = None


def compiled(node: Node, schema: pa.Schema) -> Compiled:
    """Compile ``node`` for batches of ``schema``; the last few hundred are remembered.

    Not those with functions of the user: every task loads its own, and a module that they use may have changed.
    """
    uses_functions = any(isinstance(part, Apply) for part in walk(node))
    return _compiled(node, schema) if uses_functions else _remembered(node, schema)


def _compiled(node: Node, schema: pa.Schema) -> Compiled:
    step = _step(node, schema)
    return Compiled(step.type, step.run, step.total)


_remembered = lru_cache(maxsize=512)(_compiled)


def _step(node: Node, schema: pa.Schema) -> Step:
    match node:
        case Column(name=name):
            return _column(name, node, schema)
        case Literal():
            constant = own_scalar(node)
            return Step(node.type, lambda _: constant, literal=node)
        case Alias(arg=arg):
            return _step(arg, schema)
        case Apply(args=args):
            return Step(node.returns, applied(node, [_step(arg, schema).run for arg in args]), total=False)
        case Aggregated():
            raise type_mismatch(f"{text(node)} is one value per group, so a row has none\n{_IN_AGG}", node)
        case Call():
            return _call(node, schema)


_IN_AGG = "use it in agg(...), as .group_by('key').agg(total=col('x').sum()), and join the result for a value per row"


def _column(name: str, node: Column, schema: pa.Schema) -> Step:
    index = schema.get_field_index(name)
    if index < 0:
        raise column_not_found(name, schema, node.origin)
    return Step(schema.field(index).type, lambda batch: batch.column(index))


def _call(node: Call, schema: pa.Schema) -> Step:
    steps = [_step(arg, schema) for arg in node.args]
    if goes_by_categories(node.fn, [step.type for step in steps]):
        return Step(pa.bool_(), comparison_of_categories(node, steps), total=False)
    if node.fn in ("case", "coalesce") and any(is_ordered(step.type) for step in steps):
        raise type_mismatch(
            f"{text(node)}\nthis would lose the order of categories; choose text: .cast('string')", node
        )
    overload = _overload_of(node, [Arg(plain(step.type), step.literal) for step in steps])
    _demand_kernel(node, overload)
    converted = [_converted(step, param, node) for step, param in zip(steps, overload.params, strict=True)]
    runs, total = [run for run, _ in converted], overload.total and all(safe for _, safe in converted)
    if node.fn in ("and", "or") and not steps[1].total:
        return Step(overload.result, guarded_connective(node.fn, runs[0], runs[1]), total)
    if node.fn == "case" and not total:
        return Step(overload.result, _named_errors(guarded_case(runs, overload.result), node), total)
    run = _direct(steps, runs, overload, total=total)
    return Step(overload.result, run if total else _named_errors(run, node), total)


def _overload_of(node: Call, args: Sequence[Arg]) -> Overload:
    """What the rule of ``node`` says about arguments of these types; TypeMismatch if it refuses them."""
    try:
        return RULES[node.fn](args, dict(node.options))
    except Refused as refused:
        raise type_mismatch(f"{text(node)}\n{refused}", node) from None


def _demand_kernel(node: Call, overload: Overload) -> None:
    """TypeMismatch if Arrow cannot compute this of these types, as little of half floats: it is tried on no rows."""
    try:
        overload.kernel(*(pa.nulls(0, param) for param in overload.params))
    except pa.ArrowNotImplementedError as error:
        types = " and ".join(dict.fromkeys(map(str, overload.params)))
        raise type_mismatch(f"{text(node)}\n{node.fn} cannot be computed of {types}; cast it first", node) from error
    except pa.ArrowInvalid as error:
        raise type_mismatch(f"{text(node)}\n{error}", node) from error


def _literal_scalar(literal: Literal, param: pa.DataType, node: Call) -> pa.Scalar | None:
    """The literal as ``param``; TypeMismatch if it cannot be one, or None if it has a type of its own, as a column."""
    try:
        return scalar_of(literal, param)
    except pa.ArrowInvalid as error:
        if not literal.flexible:
            return None
        advice = "write it as ISO 8601" if is_text(literal.type) else "cast the other side to a coarser unit"
        raise type_mismatch(f"{text(node)}\n{text(literal)} is no {param}: {error}; {advice}", node) from error


def _converted(step: Step, param: pa.DataType, node: Call) -> tuple[Run, bool]:
    """What gives ``step`` as ``param``, and whether it has a value for every row."""
    scalar = _literal_scalar(step.literal, param, node) if step.literal is not None else None
    if scalar is not None:
        return (lambda _: scalar), True
    run = step.run
    if step.type.equals(param):
        return run, step.total
    return (lambda batch: convert(run(batch), param)), step.total and always_fits(step.type, param)


def _direct(steps: Sequence[Step], runs: Sequence[Run], overload: Overload, *, total: bool) -> Run:
    kernel = overload.kernel
    varying = [place for place, step in enumerate(steps) if step.literal is None]
    if not varying:
        return _constant(runs, overload)
    if len(varying) == 1 and total and overload.strict and pa.types.is_dictionary(steps[varying[0]].type):
        return _by_dictionary(steps, runs, varying[0], overload)
    match runs:
        case [only]:
            return lambda batch: kernel(only(batch))
        case [left, right]:
            return lambda batch: kernel(left(batch), right(batch))
        case _:
            return lambda batch: kernel(*(run(batch) for run in runs))


def _constant(runs: Sequence[Run], overload: Overload) -> Run:
    """Of literals alone: computed on one row, because kernels may need an array to say the length."""
    one_row = pa.RecordBatch.from_arrays([pa.nulls(1)], [""])

    def run(_: pa.RecordBatch) -> pa.Scalar:
        arrays = [of_length(run(one_row), param, 1) for run, param in zip(runs, overload.params, strict=True)]
        return overload.kernel(*arrays)[0]

    return run


def _by_dictionary(steps: Sequence[Step], runs: Sequence[Run], place: int, overload: Overload) -> Run:
    """Compute each distinct value once, where the only column is dictionary-encoded."""
    column, param, kernel = steps[place].run, overload.params[place], overload.kernel
    no_batch = pa.RecordBatch.from_arrays([], [])
    constants = [None if at == place else run(no_batch) for at, run in enumerate(runs)]

    def of_values(values: Any) -> Any:
        args = [values if constant is None else constant for constant in constants]
        return kernel(*args)

    return lambda batch: on_dictionary(column(batch), param, of_values)


def _named_errors(run: Run, node: Call) -> Run:
    def checked(batch: pa.RecordBatch) -> Any:
        try:
            return run(batch)
        except pa.ArrowInvalid as error:
            raise ExpressionError(f"{text(node)}: {error}; {_advice(node, str(error))}") from error

    return checked


def _advice(node: Call, problem: str) -> str:
    if "zero" in problem:
        return "guard it: when(divisor != 0).then(...), or filter such rows out before"
    if "out of bounds timestamp" in problem:
        return "coarser units reach farther: .cast('timestamp[us]')"
    if "overflow" in problem or "out of bounds" in problem or "not in range" in problem:
        return "cast to a wider type before: .cast('int64') or .cast('double')"
    if node.fn == "cast":
        return "mend or filter out such values before"
    return "guard it with when(...).then(...), or filter such rows out before"
