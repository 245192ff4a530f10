"""Move filters towards the sources, so that removed rows cost nothing further down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from sabotnb.expr import (
    Expr,
    all_of,
    col,
    column_name,
    columns,
    condition_count,
    conjuncts,
    functions,
    halves,
    is_total,
    known_column,
    substitute,
)
from sabotnb.graph import (
    Aggregate,
    Distinct,
    Filter,
    KeyedJoin,
    LookupJoin,
    Operator,
    Phase,
    Project,
    Sort,
    Spec,
    Top,
    Union,
    WindowJoin,
    right_output_names,
)
from sabotnb.native import is_ordered, plain_type
from sabotnb.plan.expressions import is_cheap, is_renaming, may_go_first
from sabotnb.plan.graph_draft import GraphDraft
from sabotnb.plan.graph_rewrite import Known, OperatorRule, RewriteStep, beside, sole_reader

FARTHEST = 64
"""Operators that a filter is moved above if its condition may raise.

Such filters do not become one on their way up, so n of them would pass n operators each.
"""


def _push(graph: GraphDraft, name: str, _: Known) -> RewriteStep | None:
    """Move conjuncts of a filter above the operator that it reads, as far as the same rows come out.

    Never above a function of the user, and never where a predicate that may raise would see more rows than before.
    """
    operator = graph.operators[name]
    edge = sole_reader(graph, operator.id)
    below = graph.operators[edge.down] if edge else None
    if below is None or below.placed or not isinstance(below.spec, Filter):
        return None
    if not isinstance(operator.spec, Project | Union | Sort | Distinct | Top | Aggregate | KeyedJoin):
        return None
    predicate = below.spec.predicate
    may_raise = not is_total(predicate, graph.schemas()[operator.id])
    if may_raise and graph.passed[below.id] >= FARTHEST:
        return None
    pushed = _pushed(operator.spec, predicate, graph.input_schemas(operator.id), graph.schemas()[operator.id])
    moved = [by_port for _, by_port in pushed if by_port]
    if not moved:
        return None
    graph.passed[below.id] += may_raise
    kept = [condition for condition, by_port in pushed if not by_port]
    text = f"{below.id} {'in part ' if kept else ''}above {operator.id}"
    _move(graph, operator, below, moved, kept)
    return RewriteStep("push filters", below.id, text, condition_count(predicate), sum(map(condition_count, kept)))


push_filters = OperatorRule(_push, upwards=True)  # filters that meet on their way up become one


def _push_past_renaming(graph: GraphDraft, name: str, known: Known) -> RewriteStep | None:
    """Move a filter above a projection that only renames, if no other projection is above it.

    If a loop renames and filters in turn, each filter then passes one projection, merged from all above it. Filters
    that met on their way up would be rewritten as a whole at each projection.
    """
    if not is_renaming(graph.operators[name].spec):
        return None
    above = graph.operators[graph.inputs(name)[0].up]
    return None if isinstance(above.spec, Project) else _push(graph, name, known)


push_filters_past_renaming = OperatorRule(_push_past_renaming)

Pushed = Sequence[tuple[Expr, Mapping[int, Expr]]]
"""Parts of a predicate, in order, with what each becomes above the operator by input port; empty if it stays."""


def _pushed(spec: Spec, predicate: Expr, inputs: Sequence[pa.Schema], output: pa.Schema) -> Pushed:
    """Decide on a predicate as a whole where that is possible.

    Filters of a loop merge on their way up. Taken apart at every operator, n conditions would be looked at n times.
    """
    safe = is_total(predicate, output) and not functions(predicate)
    if whole := _above_whole(spec, predicate, inputs, safe=safe):
        return [(predicate, whole)]
    if safe:
        return _parts(spec, predicate, inputs)
    conditions = conjuncts(predicate)
    movable = may_go_first(conditions, output)
    above = [_above(spec, part, inputs, safe=sure) for part, sure in zip(conditions, movable, strict=True)]
    if not all(above):  # a condition that may raise relies on those written before it, so it stays with them
        above = [by_port if sure else {} for by_port, sure in zip(above, movable, strict=True)]
    return list(zip(conditions, above, strict=True))


def _parts(spec: Spec, predicate: Expr, inputs: Sequence[pa.Schema]) -> Pushed:
    """Split a predicate that never raises into the largest parts that move, or stay, each as a whole."""
    parts: list[tuple[Expr, Mapping[int, Expr]]] = []
    waiting = [predicate]
    while waiting:
        part = waiting.pop()
        by_port, smaller = _above_whole(spec, part, inputs, safe=True), halves(part)
        if by_port or not smaller:
            parts.append((part, by_port))
        else:
            waiting.extend(reversed(smaller))
    return parts


def _move(
    graph: GraphDraft, operator: Operator, below: Operator, pushed: Sequence[Mapping[int, Expr]], kept: Sequence[Expr]
) -> None:
    """Leave ``kept`` in the filter ``below``, and insert a filter at each input port of ``operator`` for ``pushed``."""
    if kept:
        graph.set_spec(below.id, Filter(all_of(kept)))
    else:
        graph.remove(below.id)
    for above in graph.inputs(operator.id):
        here = [by_port[above.port] for by_port in pushed if above.port in by_port]
        if here:
            name = graph.unique_id("filter") if below.id in graph.operators else below.id
            filtered = beside(graph, above.up, name, Filter(all_of(here)))
            graph.insert(above, replace(filtered, origin=below.origin))


def _above_whole(spec: Spec, part: Expr, inputs: Sequence[pa.Schema], *, safe: bool) -> Mapping[int, Expr]:
    """Return what ``part`` becomes above an operator; empty also if its conditions may go further one by one."""
    by_port = _above(spec, part, inputs, safe=safe)
    some_on_keys = isinstance(spec, KeyedJoin) and not columns(part).isdisjoint(spec.left_on)
    return {} if some_on_keys and len(by_port) == 1 and halves(part) else by_port


def _above(spec: Spec, part: Expr, inputs: Sequence[pa.Schema], *, safe: bool) -> Mapping[int, Expr]:
    """Return what ``part`` becomes above an operator, by input port; empty if it must stay below.

    A condition that is not ``safe`` may see no other rows than before. If it reads ordered dictionaries, it stays
    below a union: a constant in it may be a category of one input only.
    """
    if isinstance(spec, Project):
        return _above_projection(dict(spec.columns), part)
    return _above_others(spec, part, inputs, safe=safe)


def _above_projection(computed: Mapping[str, Expr], part: Expr) -> Mapping[int, Expr]:
    if any(functions(expr) for expr in computed.values()):
        return {}
    read = {name: computed[name] for name in columns(part)}
    if not all(is_cheap(expr) for expr in read.values()):
        return {}
    return {0: substitute(part, {name: expr for name, expr in read.items() if column_name(expr) != name})}


def _above_others(spec: Spec, part: Expr, inputs: Sequence[pa.Schema], *, safe: bool) -> Mapping[int, Expr]:
    used = columns(part)
    match spec:
        case Union() if safe or not any(is_ordered(inputs[0].field(name).type) for name in used):
            return dict.fromkeys(range(len(inputs)), part)
        case Sort():
            return {0: part}
        case Aggregate(phase=Phase.FULL, keys=keys) | Distinct(keys=keys) | Top(keys=keys) if used and safe:
            return {0: part} if used <= set(keys) and _same_for_equal_keys(part, inputs[0]) else {}
        case _ if isinstance(spec, KeyedJoin) and used and safe:
            return _above_join(spec, part, inputs)
        case _:
            return {}


def _above_join(join: KeyedJoin, part: Expr, inputs: Sequence[pa.Schema]) -> Mapping[int, Expr]:
    """Move a predicate on keys to both sides: a row that fails it has no match that passes it.

    The keys must have one type: a constant compared with a key of another type would be another value. A join by time
    then does not count rows that fail it as late. A lookup has no right input.
    """
    used = columns(part)
    if isinstance(join, LookupJoin):
        return {0: part} if used <= set(inputs[0].names) else {}
    if isinstance(join, WindowJoin) and not used.isdisjoint(join.hidden):
        return {}
    keys = {mine: other for mine, other in zip(join.left_on, join.right_on, strict=True) if mine in used}
    if used <= keys.keys() and _same_for_equal_keys(part, inputs[0]) and _of_same_types(keys, inputs):
        return {0: part, 1: substitute(part, {mine: col(other) for mine, other in keys.items()})}
    if used <= set(inputs[0].names) and join.how in ("inner", "left", "semi", "anti"):
        return {0: part}
    right = {output: known_column(name) for name, output in right_output_names(join, inputs[0], inputs[1]).items()}
    if used <= right.keys() and join.how in ("inner", "right"):
        return {1: substitute(part, right)}
    return {}


def _of_same_types(keys: Mapping[str, str], inputs: Sequence[pa.Schema]) -> bool:
    left, right = inputs
    return all(plain_type(left.field(mine).type) == plain_type(right.field(other).type) for mine, other in keys.items())


def _same_for_equal_keys(part: Expr, schema: pa.Schema) -> bool:
    """True if rows with equal keys all pass or all fail; 0.0 and -0.0 are one key, and 1 / x tells them apart."""
    return not any(pa.types.is_floating(plain_type(schema.field(name).type)) for name in columns(part))
