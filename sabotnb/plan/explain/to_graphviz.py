"""Convert a job graph to a Graphviz digraph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sabotnb import text_limits
from sabotnb.graph import JobGraph, Sink, Source, Spec
from sabotnb.plan.explain.operator_words import spread, summary

if TYPE_CHECKING:  # a name in annotations alone: planning a job loads no Graphviz
    from graphviz import Digraph


def to_graphviz(graph: JobGraph) -> Digraph:
    """Return the graph as written for Graphviz: ``.source`` is its text; drawing it needs Graphviz's own programs.

    A box has an operator's id and a summary; an edge has its hint and the name of its side output, if any.
    """
    from graphviz import Digraph, escape

    drawn = Digraph("job", graph_attr={"rankdir": "LR"}, node_attr={"shape": "box", "style": "rounded"})
    number = {name: f"n{rank}" for rank, name in enumerate(graph.topological_sort())}  # ids may have colons: no ports
    for name, node in number.items():
        spec = graph.operators[name].spec
        label = f"{_cut(name)}\n{_cut(f'{spec.kind}: {summary(spec)}')}"
        drawn.node(node, escape(label).replace("\n", "\\n"), color=_colour(spec))
    for edge in graph.edges:
        hint = spread(edge.hint.type, edge.hint.keys) if edge.hint else ""
        drawn.edge(number[edge.up], number[edge.down], escape(_cut(", ".join(filter(None, (edge.side, hint))))))
    return drawn


def _colour(spec: Spec) -> str:
    return "#14a394" if isinstance(spec, Source) else "#d97706" if isinstance(spec, Sink) else "#6b7a90"


def _cut(text: str) -> str:
    return text_limits.cut(" ".join(text.split()), text_limits.GRAPHVIZ_LABEL)
