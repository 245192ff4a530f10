"""Aggregate what is in a batch before it travels: far fewer rows cross between tasks."""

from __future__ import annotations

from dataclasses import replace

from sabotnb.expr import partial_schema
from sabotnb.graph import Aggregate, EdgeType, JobGraph, Phase
from sabotnb.plan.edges import choose_routes
from sabotnb.plan.graph_rewrite import Known, Rewrite, RewriteStep, beside, with_spec

ANY_PARALLELISM = 2
"""More than one task, so that edges which would cross between tasks do."""


def two_phases(graph: JobGraph, _: Known) -> Rewrite | None:
    """Split an aggregate into PARTIAL, chained to what it reads, and FINAL behind the exchange.

    Only if every aggregate has a mergeable form and rows do travel: inside a key domain nothing would be saved.
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
        split = split.connect(above.up, free).connect(free, operator.id)  # a hint has nothing to say about keyed input
        text = f"{free} aggregates within batches before rows {'travel by key' if spec.keys else 'meet in one task'}"
        return Rewrite(split, (RewriteStep("two phases", operator.id, text, 1, 2),))
    return None
