"""Settle how a join spreads its sides: a small right side goes whole to every task, or both sides are hashed."""

from __future__ import annotations

from dataclasses import replace

from sabotnb.graph import JobGraph, Join
from sabotnb.plan.rewrite import Known, Rewrite, Step, with_spec
from sabotnb.plan.sizes import sizes

BROADCASTABLE = frozenset({"inner", "left", "semi", "anti"})
"""Joins that give nothing for a right row without partner: every task may hold all right rows."""


def choose_join(graph: JobGraph, known: Known) -> Rewrite | None:
    """Decide ``strategy="auto"`` by the estimated bytes of the right side; unknown is hashed."""
    for operator in graph.operators.values():
        join = operator.spec
        if not isinstance(join, Join) or join.strategy != "auto":
            continue
        right = graph.inputs(operator.id)[1]
        nbytes = sizes(graph, known.estimates)[right.up].nbytes
        limit = known.config.broadcast_bytes
        small = join.how in BROADCASTABLE and right.side is None and nbytes is not None and nbytes <= limit
        strategy = "broadcast" if small else "hash"
        settled = with_spec(graph, operator.id, replace(join, strategy=strategy))
        return Rewrite(
            settled, (Step("choose join", operator.id, _why(join, right.up, nbytes, limit, strategy), nbytes),)
        )
    return None


def _why(join: Join, right: str, nbytes: int | None, limit: int, strategy: str) -> str:
    if join.how not in BROADCASTABLE:
        return f"{strategy}: a {join.how} join gives unmatched rows of {right!r}, which one task alone must know"
    size = "of unknown size" if nbytes is None else f"about {nbytes:,} bytes"
    return f"{strategy}: {right!r} is {size}, the limit is {limit:,}"
