"""Split aggregates into two phases: rows are aggregated within a batch before they are sent to another task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import count

from sabotnb.expr import partial_schema
from sabotnb.graph import Aggregate, Edge, EdgeType, JobGraph, Operator, Phase
from sabotnb.plan.edges import choose_routes
from sabotnb.plan.graph_rewrite import Known, Rewrite, RewriteStep, beside

ANY_PARALLELISM = 2
"""Parallelism to choose routes with: more than one task, so that edges between tasks show."""


def two_phases(graph: JobGraph, _: Known) -> Rewrite | None:
    """Split aggregates into PARTIAL, chained to what they read, and FINAL behind the exchange.

    Only if every aggregate has a mergeable form and rows are sent at all: inside a key domain they stay where they are.
    One choice of routes serves all of them: FINAL partitions its output as FULL did, so no split changes another route.
    """
    if not any(_is_full(operator) for operator in graph.operators.values()):
        return None
    routes = dict(zip(graph.edges, choose_routes(graph, ANY_PARALLELISM).routes, strict=True))
    operators, numbered = dict(graph.operators), graph.used_ids()
    split: set[Edge] = set()
    added: list[Edge] = []
    steps: list[RewriteStep] = []
    for operator in graph.operators.values():
        spec = operator.spec
        if not isinstance(spec, Aggregate) or not _is_full(operator):
            continue
        above = graph.inputs(operator.id)[0]
        stays = routes[above].type is EdgeType.FORWARD
        if stays or above.side is not None or partial_schema(spec.keys, spec.columns, spec.schema) is None:
            continue
        free = _free_name(f"{operator.id}_partial", operators, numbered)
        operators[operator.id] = replace(operator, spec=replace(spec, phase=Phase.FINAL))
        partial = beside(graph, above.up, free, replace(spec, phase=Phase.PARTIAL))
        operators[free] = replace(partial, parallelism=None, origin=operator.origin)
        split.add(above)
        added += [Edge(above.up, free), Edge(free, operator.id)]  # the hint is dropped: keyed input ignores it
        text = f"{free} aggregates within batches before rows {'travel by key' if spec.keys else 'meet in one task'}"
        steps.append(RewriteStep("two phases", operator.id, text, 1, 2))
    edges = [edge for edge in graph.edges if edge not in split] + added
    return Rewrite(graph.derived(operators, edges), tuple(steps)) if steps else None


def _is_full(operator: Operator) -> bool:
    return isinstance(operator.spec, Aggregate) and operator.spec.phase is Phase.FULL


def _free_name(name: str, operators: Mapping[str, Operator], used: frozenset[str]) -> str:
    """Return ``name`` if no operator has it, else with the first number that was never used."""
    if name not in operators:
        return name
    numbered = (f"{name}_{number}" for number in count())
    return next(other for other in numbered if other not in used and other not in operators)
