"""Choose the strategy of joins: broadcast a small right side to every task, or hash both sides."""

from __future__ import annotations

from dataclasses import replace

from sabotnb.graph import JobGraph, Join
from sabotnb.plan.graph_rewrite import Known, Rewrite, RewriteStep
from sabotnb.plan.sizes import sizes

BROADCASTABLE = frozenset({"inner", "left", "semi", "anti"})
"""Kinds that return nothing for a right row without a match, so that every task may hold all right rows."""


def choose_join(graph: JobGraph, known: Known) -> Rewrite | None:
    """Decide every ``strategy="auto"`` by the estimated bytes of the right side; unknown is hashed."""
    joins = {name: join.spec for name, join in graph.operators.items() if isinstance(join.spec, Join)}
    open_joins = {name: join for name, join in joins.items() if join.strategy == "auto"}
    if not open_joins:
        return None
    limit, size = known.config.broadcast_bytes, sizes(graph, known.estimates)
    operators, steps = dict(graph.operators), list[RewriteStep]()
    for name, join in open_joins.items():
        right = graph.inputs(name)[1]
        nbytes = size[right.up].nbytes
        small = join.how in BROADCASTABLE and right.side is None and nbytes is not None and nbytes <= limit
        strategy = "broadcast" if small else "hash"
        operators[name] = replace(operators[name], spec=replace(join, strategy=strategy))
        steps.append(RewriteStep("choose join", name, _why(join, right.up, nbytes, limit, strategy), nbytes))
    return Rewrite(graph.derived(operators, graph.edges), tuple(steps))


def _why(join: Join, right: str, nbytes: int | None, limit: int, strategy: str) -> str:
    if join.how not in BROADCASTABLE:
        return f"{strategy}: a {join.how} join returns unmatched rows of {right!r}, so one task alone may hold each"
    size = "of unknown size" if nbytes is None else f"about {nbytes:,} bytes"
    return f"{strategy}: {right!r} is {size}, the limit is {limit:,}"
