"""Split aggregates into two phases: rows are aggregated within a batch before they are sent to another task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import count

from sabotnb.expr import partial_schema
from sabotnb.graph import (
    Aggregate,
    Edge,
    EdgeType,
    JobGraph,
    Operator,
    Phase,
    SlidingWindow,
    Spec,
    TumblingWindow,
    Window,
)
from sabotnb.plan.edges import choose_routes
from sabotnb.plan.graph_rewrite import Known, Rewrite, RewriteStep, beside

ANY_PARALLELISM = 2
"""Parallelism to choose routes with: more than one task, so that edges between tasks show."""


def two_phases(graph: JobGraph, _: Known) -> Rewrite | None:
    """Split aggregates into PARTIAL, chained to what they read, and FINAL behind the exchange.

    Only if every aggregate has a mergeable form and rows are sent at all: inside a key domain they stay where they are.
    One choice of routes serves all of them: FINAL partitions its output as FULL did, so no split changes another route.
    """
    if all(_verb(operator) is None for operator in graph.operators.values()):
        return None
    routes = dict(zip(graph.edges, choose_routes(graph, ANY_PARALLELISM).routes, strict=True))
    operators, numbered = dict(graph.operators), graph.used_ids()
    split: set[Edge] = set()
    partial_of: dict[str, str] = {}
    added: list[Edge] = []
    steps: list[RewriteStep] = []
    for operator in graph.operators.values():
        verb = _verb(operator)
        if verb is None:
            continue
        above = graph.inputs(operator.id)[0]
        stays = routes[above].type is EdgeType.FORWARD
        if stays or above.side is not None or partial_schema(verb.keys, verb.columns, verb.schema) is None:
            continue
        free = _free_name(f"{operator.id}_partial", operators, numbered)
        operators[operator.id] = replace(operator, spec=_in_phase(operator, Phase.FINAL))
        partial = beside(graph, above.up, free, _in_phase(operator, Phase.PARTIAL))
        operators[free] = replace(partial, parallelism=None, origin=operator.origin, part_of=operator.id)
        split.add(above)
        partial_of[operator.id] = free
        added += [Edge(above.up, free), Edge(free, operator.id)]  # the hint is dropped: keyed input ignores it
        text = f"{free} aggregates within batches before rows {'travel by key' if verb.keys else 'meet in one task'}"
        steps.append(RewriteStep("two phases", operator.id, text, 1, 2))
    # Late rows leave where rows are first assigned to windows.
    kept = [edge if edge.side is None else replace(edge, up=partial_of.get(edge.up, edge.up)) for edge in graph.edges]
    edges = [new for edge, new in zip(graph.edges, kept, strict=True) if edge not in split] + added
    return Rewrite(graph.derived(operators, edges), tuple(steps)) if steps else None


def _verb(operator: Operator) -> Aggregate | None:
    """Return the aggregate of an operator that may be split: alone, or in windows of which few are in a batch."""
    spec = operator.spec
    if isinstance(spec, Window):
        by_time = spec.time is not None and isinstance(spec.shape, TumblingWindow | SlidingWindow)
        return spec.verb if by_time and isinstance(spec.verb, Aggregate) and spec.verb.phase is Phase.FULL else None
    return spec if isinstance(spec, Aggregate) and spec.phase is Phase.FULL else None


def _in_phase(operator: Operator, phase: Phase) -> Spec:
    spec = operator.spec
    if isinstance(spec, Window) and isinstance(spec.verb, Aggregate):
        return replace(spec, verb=replace(spec.verb, phase=phase))
    assert isinstance(spec, Aggregate)
    return replace(spec, phase=phase)


def _free_name(name: str, operators: Mapping[str, Operator], used: frozenset[str]) -> str:
    """Return ``name`` if no operator has it, else with the first number that was never used."""
    if name not in operators:
        return name
    numbered = (f"{name}_{number}" for number in count())
    return next(other for other in numbered if other not in used and other not in operators)
