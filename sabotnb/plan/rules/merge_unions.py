"""Merge a union into the union that reads it: loops write them in a row."""

from __future__ import annotations

from dataclasses import replace

from sabotnb.graph import Edge, JobGraph, Union
from sabotnb.plan.graph_rewrite import Known, Rewrite, RewriteStep, sole_reader


def merge_unions(graph: JobGraph, _: Known) -> Rewrite | None:
    """Connect the inputs of a union to the union that reads it, for all unions at once; that saves their tasks."""
    joined = {name for name, operator in graph.operators.items() if isinstance(operator.spec, Union)}
    joined = {name for name in joined if _joins_its_reader(graph, name)}
    if not joined:
        return None
    operators = {name: operator for name, operator in graph.operators.items() if name not in joined}
    edges: list[Edge] = []
    steps: list[RewriteStep] = []
    for name, operator in operators.items():
        ends, gone = _flat(graph, name, joined) if isinstance(operator.spec, Union) else (graph.inputs(name), [])
        edges.extend(replace(edge, down=name, port=port) for port, edge in enumerate(ends))
        if gone:
            operators[name] = replace(operator, spec=Union(len(ends)))
            text = f"{', '.join(gone[:3])}{' and others' if len(gone) > 3 else ''} joined {name}"
            steps.append(RewriteStep("merge unions", name, text, len(gone) + 1, 1, tuple(gone)))
    return Rewrite(graph.derived(operators, edges), tuple(steps))


def _joins_its_reader(graph: JobGraph, name: str) -> bool:
    """True if another union is the only reader, the user placed neither of them, and no edge here has a hint."""
    edge = sole_reader(graph, name)
    if edge is None or any(above.hint is not None for above in graph.inputs(name)):
        return False
    reader = graph.operators[edge.down]
    return isinstance(reader.spec, Union) and not reader.placed and not graph.operators[name].placed


def _flat(graph: JobGraph, union: str, joined: set[str]) -> tuple[list[Edge], list[str]]:
    """Return the edges that enter ``union`` when ``joined`` are merged into it, in order, and the merged unions."""
    ends: list[Edge] = []
    gone: list[str] = []
    waiting = list(reversed(graph.inputs(union)))
    while waiting:
        edge = waiting.pop()
        if edge.side is None and edge.up in joined:
            gone.append(edge.up)
            waiting.extend(reversed(graph.inputs(edge.up)))
        else:
            ends.append(edge)
    return ends, gone
