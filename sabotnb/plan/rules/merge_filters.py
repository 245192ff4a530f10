"""Merge two adjacent filters."""

from __future__ import annotations

from sabotnb.expr import all_of, is_total
from sabotnb.graph import Filter
from sabotnb.plan.graph_draft import GraphDraft
from sabotnb.plan.graph_rewrite import Known, OperatorRule, RewriteStep, sole_reader


def _merge(graph: GraphDraft, name: str, _: Known) -> RewriteStep | None:
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
        graph.set_spec(upper.id, Filter(all_of((upper.spec.predicate, lower.spec.predicate))))
        graph.remove(lower.id)
        return RewriteStep("merge filters", upper.id, f"{lower.id} joined {upper.id}", 2, 1, (lower.id,))
    return None


merge_filters = OperatorRule(_merge)
