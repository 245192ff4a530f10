"""Split aggregates into two phases: rows are aggregated within a batch before they are sent to another task."""

from __future__ import annotations

from dataclasses import replace

from sabotnb.expr import partial_schema
from sabotnb.graph import Aggregate, EdgeType, JobGraph, Phase
from sabotnb.plan.edges import choose_routes
from sabotnb.plan.graph_rewrite import Known, Rewrite, RewriteStep, beside, with_spec

ANY_PARALLELISM = 2
"""Parallelism to choose routes with: more than one task, so that edges between tasks show."""


def two_phases(graph: JobGraph, _: Known) -> Rewrite | None:
    """Split an aggregate into PARTIAL, chained to what it reads, and FINAL behind the exchange.

    Only if every aggregate has a mergeable form and rows are sent at all: inside a key domain they stay where they are.
    """
    for operator in graph.operators.values():
        spec = operator.spec
        if not isinstance(spec, Aggregate) or spec.phase is not Phase.FULL:
            continue
        above = graph.inputs(operator.id)[0]
        routes = dict(zip(graph.edges, choose_routes(graph, ANY_PARALLELISM).routes, strict=True))
        stays = routes[above].type is EdgeType.FORWARD
        if stays or above.side is not None or partial_schema(spec.keys, spec.columns, spec.schema) is None:
            continue
        split = with_spec(graph, operator.id, replace(spec, phase=Phase.FINAL))
        split = split.derived(split.operators, [edge for edge in split.edges if edge != above])
        name = f"{operator.id}_partial"
        free = name if name not in graph.operators else graph.unique_id(name)
        partial = beside(graph, above.up, free, replace(spec, phase=Phase.PARTIAL))
        split = split.add_operator(replace(partial, parallelism=None, origin=operator.origin))
        split = split.connect(above.up, free).connect(free, operator.id)  # the hint is dropped: keyed input ignores it
        text = f"{free} aggregates within batches before rows {'travel by key' if spec.keys else 'meet in one task'}"
        return Rewrite(split, (RewriteStep("two phases", operator.id, text, 1, 2),))
    return None
