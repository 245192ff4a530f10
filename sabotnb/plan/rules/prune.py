"""Drop operators whose rows reach no sink."""

from __future__ import annotations

from sabotnb.graph import JobGraph
from sabotnb.plan.graph_rewrite import Known, Rewrite, RewriteStep
from sabotnb.topology import reachable


def prune(graph: JobGraph, _: Known) -> Rewrite | None:
    """Remove every operator that leads to no sink, unless the graph has no sink at all."""
    sinks = [operator.id for operator in graph.get_sinks()]
    useful = reachable(sinks, [(edge.down, edge.up) for edge in graph.edges])
    useless = [name for name in graph.operators if name not in useful]
    if not sinks or not useless:
        return None
    operators = {name: operator for name, operator in graph.operators.items() if name in useful}
    kept = graph.derived(operators, [edge for edge in graph.edges if edge.down in useful])
    text = f"nothing reads {', '.join(useless)}"
    counts = len(graph.operators), len(kept.operators)
    return Rewrite(kept, (RewriteStep("prune", useless[0], text, *counts, tuple(useless)),))
