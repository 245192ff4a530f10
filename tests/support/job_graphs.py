"""Job graphs in a line: operators by id, paths as text."""

from dataclasses import replace
from itertools import pairwise

from sabotnb.graph import EdgeHint, JobGraph, Operator


def make_job(operators, *paths: str, hints: dict[str, EdgeHint] | None = None):
    """``make_job({"s": Source(...), "j": Join(...)}, "s > j:1")``: an edge per ``>``, ``:`` names the port below it."""
    graph = JobGraph()
    for name, given in operators.items():
        operator = replace(given, id=name) if isinstance(given, Operator) else Operator(name, given)
        graph = graph.add_operator(operator)
    for path in paths:
        steps = [step.strip() for step in path.split(">")]
        for above, below in pairwise(steps):
            up, (down, _, port) = above.partition(":")[0], below.partition(":")
            graph = graph.connect(up, down, int(port or 0), (hints or {}).get(f"{up} > {down}"))
    return graph
