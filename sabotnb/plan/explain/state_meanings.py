"""Say what the state of each operator of a job means, in the words of ``explain()``.

Keys, inputs of aggregates and orders that were written as expressions are columns of a projection in front of the
operator (``Project.made``). They belong to its meaning. What other operators do with the rows before it does not: users
add, remove and change these, and keep the state.

Nor does the code of functions, or the options of a source, such as the paths of its files: the user gives the operator
a name to say that it is the same. Operators without a name are compared by these, too (``state_details``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

from sabotnb import text_limits
from sabotnb.expr import Expr, duration_text
from sabotnb.graph import (
    Aggregate,
    AggregateColumn,
    AsofJoin,
    Distinct,
    IntervalJoin,
    JobGraph,
    Join,
    JsonEncoder,
    MapAsync,
    Operator,
    Process,
    Project,
    Reduce,
    Sort,
    Source,
    Spec,
    TimeColumn,
    Top,
    Window,
    WindowJoin,
    WindowShape,
)
from sabotnb.plan.explain.operator_words import bound_words, key_pairs, window_words
from sabotnb.protocol import MeaningPart, StateMeaning

Made = Mapping[str, Expr]
"""Columns that were computed for the operator behind them."""

Parts = dict[str, tuple[str, Any]]
"""The words and the value of each part of a meaning."""


def has_state(operator: Operator) -> bool:
    """True if checkpoints have something of ``operator``: rows, groups, or a position."""
    return operator.stateful or isinstance(operator.spec, Source | MapAsync)


def state_meanings(graph: JobGraph) -> dict[str, StateMeaning]:
    """Return the meaning of the state of each operator that has some, by id; ``graph`` is as the user wrote it."""
    return {
        operator.id: StateMeaning(
            operator.spec.kind,
            {name: MeaningPart(_shown(words), _digest(value)) for name, (words, value) in parts.items()},
            operator.spec.lateness if isinstance(operator.spec, Window) else 0,
        )
        for operator in graph.operators.values()
        if has_state(operator)
        for parts in [_parts(operator.spec, _made_for(operator.id, graph))]
    }


def state_details(operator: Operator, graph: JobGraph) -> str:
    """Return a text that is equal if the code of the functions in a meaning, and a source's options, are equal."""
    writer = JsonEncoder()
    spec = operator.spec
    for _, value in _parts(spec, _made_for(operator.id, graph)).values():
        writer.write(value)
    options = writer.write(spec.options) if isinstance(spec, Source) else None
    return json.dumps([sorted(function.fingerprint for function in writer.functions.values()), options], sort_keys=True)


def _made_for(name: str, graph: JobGraph) -> Made:
    """The columns that the projections in front of an operator compute for it."""
    made: dict[str, Expr] = {}
    while inputs := graph.inputs(name):
        name = inputs[0].up
        spec = graph.operators[name].spec
        if not isinstance(spec, Project) or not spec.made:
            break
        made |= {column: expr for column, expr in spec.columns if column in spec.made and column not in made}
    return made


def _parts(spec: Spec, made: Made) -> Parts:  # noqa: C901, PLR0911  one case per kind of operator
    match spec:
        case Source(connector=connector, table=table, function=function):
            return {"input": (connector, [connector, table, function])}
        case Aggregate(keys=keys, columns=columns):
            return {**_keys(keys, made), "aggregates": _aggregates(columns, made)}
        case Reduce(keys=keys) | Distinct(keys=keys):
            return _keys(keys, made)
        case Top():
            return {**_keys(spec.keys, made), "order": _order(spec, made)}
        case Process(keys=keys, side_input=side_input):
            return {
                **_keys(keys, made),
                **_times(_time_of(spec)),
                "side input": ("a side input" if side_input else "none", side_input),
            }
        case Window(verb=verb, shape=shape):
            return {**_parts(verb, made), **_window(shape), **_times(_time_of(spec))}
        case Sort(by=by, descending=ways):
            ordered = [f"{name} desc" if down else name for name, down in zip(by, ways, strict=True)]
            return {"order": (", ".join(ordered), ordered)}
        case Join():
            return _join(spec)
        case IntervalJoin(low=low, high=high):
            bounds = f"from {bound_words(low)} to {bound_words(high)}"
            return {**_join(spec), "bounds": (bounds, [low, high]), **_times(spec.left_time, spec.right_time)}
        case AsofJoin(direction=direction, tolerance=tolerance):
            limit = "" if tolerance is None else f" within {duration_text(tolerance)}"
            match_ = (f"{direction}{limit}", [direction, tolerance])
            return {**_join(spec), "direction": match_, **_times(spec.left_time, spec.right_time)}
        case WindowJoin(shape=shape):
            return {**_join(spec), **_window(shape), **_times(spec.left_time, spec.right_time)}
        case _:
            return {}


def _keys(keys: Sequence[str], made: Made) -> Parts:
    return {"keys": (", ".join(_column(key, made) for key in keys) or "none", [[key, made.get(key)] for key in keys])}


def _join(spec: Join | IntervalJoin | AsofJoin | WindowJoin) -> Parts:
    return {"keys": (key_pairs(spec), [spec.left_on, spec.right_on]), "type": (spec.how, spec.how)}


def _window(shape: WindowShape) -> Parts:
    words = window_words(shape)
    for item in fields(shape):
        value = getattr(shape, item.name)
        if item.default is not MISSING and value != item.default and item.name != "unit":
            text = duration_text(value) if isinstance(value, int) else getattr(value, "value", value)
            words += f", {item.name} {text}"
    return {"window": (words, [shape.kind, shape])}


def _aggregates(columns: Sequence[AggregateColumn], made: Made) -> tuple[str, Any]:
    """State is found by the names of the columns, so their order may change."""
    ordered = sorted(columns, key=lambda column: column.name)
    value = [
        [column, made.get(column.column or ""), made.get(column.by or "")]
        if (column.column in made or column.by in made)
        else [column]
        for column in ordered
    ]
    return ", ".join(_aggregate(column, made) for column in ordered), value


def _aggregate(column: AggregateColumn, made: Made) -> str:
    arguments = [_computed(column.column, made)] if column.column is not None else []
    arguments += [f"by={_computed(column.by, made)}"] if column.by is not None else []
    arguments += [f"{name}={value}" for name, value in sorted(column.options.items())]
    called = column.function.name if column.function is not None else column.fn
    return f"{column.name} = {called}({', '.join(arguments)})"


def _order(spec: Top, made: Made) -> tuple[str, Any]:
    words = f"{spec.n} {'smallest' if spec.reverse else 'largest'} {_computed(spec.by, made)}"
    value = [spec.n, made.get(spec.by, spec.by), spec.reverse, spec.ties]
    return words + (" with ties" if spec.ties else ""), value


def _time_of(spec: Window | Process) -> TimeColumn | None:
    return None if spec.time is None else TimeColumn(spec.time, spec.shift)


def _times(*times: TimeColumn | None) -> Parts:
    return {"event time": (", ".join(_time(time) for time in times), list(times))}


def _time(time: TimeColumn | None) -> str:
    if time is None:
        return "none"
    sign = "-" if time.shift < 0 else "+"
    return time.column + (f" {sign} {duration_text(abs(time.shift))}" if time.shift else "")


def _column(name: str, made: Made) -> str:
    return f"{name} = {made[name]}" if name in made else name


def _computed(name: str, made: Made) -> str:
    return str(made.get(name, name))


def _shown(words: str) -> str:
    return text_limits.cut(words, text_limits.SENTENCE)


def _digest(value: Any) -> str:
    """A digest that does not depend on the code of functions, only on their names."""
    writer = JsonEncoder()
    text = json.dumps(writer.write(value), sort_keys=True)
    named: Iterable[tuple[str, str]] = [
        *((sha256, function.name) for sha256, function in writer.functions.items()),
        *((sha256, of_user.fingerprint) for sha256, of_user in writer.values.items()),
    ]
    for sha256, stable in named:
        text = text.replace(sha256, stable)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
