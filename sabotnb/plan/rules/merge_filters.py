"""Merge two adjacent filters."""

from __future__ import annotations

from sabotnb.expr import all_of, is_total
from sabotnb.graph import Filter, JobGraph
from sabotnb.plan.graph_rewrite import Known, OperatorRule, Rewrite, RewriteStep, removed, sole_reader, with_spec


def _merge(graph: JobGraph, name: str, _: Known) -> Rewrite | None:
    """Merge a filter into the one above it.

    Only if the lower predicate cannot raise: merged, it also sees rows that the upper filter would have removed.
    """
    upper = graph.operators[name]
    edge = sole_reader(graph, upper.id)
    lower = graph.operators[edge.down] if edge else None
    if lower is None or lower.placed:
        return None
    if not isinstance(upper.spec, Filter) or not isinstance(lower.spec, Filter):
        return None
    if is_total(lower.spec.predicate, graph.schemas()[upper.id]):
        both = Filter(all_of((upper.spec.predicate, lower.spec.predicate)))
        merged = removed(with_spec(graph, upper.id, both), lower.id)
        return Rewrite(
            merged, (RewriteStep("merge filters", upper.id, f"{lower.id} joined {upper.id}", 2, 1, (lower.id,)),)
        )
    return None


merge_filters = OperatorRule(_merge)
