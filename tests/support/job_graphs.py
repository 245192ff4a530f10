"""Build job graphs from operators by id and paths as text."""

from dataclasses import replace
from itertools import pairwise

from sabotnb.graph import EdgeHint, JobGraph, Operator


def make_job(operators, *paths: str, hints: dict[str, EdgeHint] | None = None):
    """Return the graph of ``make_job({"s": Source(...), "j": Join(...)}, "s > j:1")``; a port follows ``:``."""
    graph = JobGraph()
    for name, spec in operators.items():
        operator = replace(spec, id=name) if isinstance(spec, Operator) else Operator(name, spec)
        graph = graph.add_operator(operator)
    for path in paths:
        steps = [step.strip() for step in path.split(">")]
        for above, below in pairwise(steps):
            up, (down, _, port) = above.partition(":")[0], below.partition(":")
            graph = graph.connect(up, down, int(port or 0), (hints or {}).get(f"{up} > {down}"))
    return graph
