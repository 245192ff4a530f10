"""Job graphs in a line: operators by id, paths as text."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from sabotnb.graph import EdgeHint, Operator
from sabotnb.plan import PlannedJobGraph


@pytest.fixture
def job() -> Callable[..., PlannedJobGraph]:
    return make_job


def make_job(operators, *paths: str, hints: dict[str, EdgeHint] | None = None) -> PlannedJobGraph:
    """``job({"s": Source(...), "f": Operator(...)}, "s > f > join:1")``: an edge per ``>``, ``:`` names the port."""
    graph = PlannedJobGraph()
    for name, given in operators.items():
        operator = replace(given, id=name) if isinstance(given, Operator) else Operator(name, given)
        graph = graph.add_operator(operator)
    for path in paths:
        steps = [step.strip() for step in path.split(">")]
        for up, down in zip(steps, steps[1:], strict=False):
            up, (name, _, port) = up.partition(":")[0], down.partition(":")
            graph = graph.connect(up, name, int(port or 0), (hints or {}).get(f"{up} > {name}"))
    return graph
