"""Describes a job's vertices and edges as plain data, for clients that do not have its graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from sabotnb.blobs import Function
from sabotnb.expr import Expr, functions
from sabotnb.graph import Aggregate, Operator, Sink, Source, Spec
from sabotnb.plan import ExecutionGraph, Vertex


def topology(graph: ExecutionGraph) -> dict[str, Any]:
    """Vertices, edges, and which operator runs where.

    ``vertices``: id, role, kinds and functions as in ``VertexMetrics``, in topological order; ``operators``: vertex by
    operator; ``keys``: by operator, the columns of its rows by which they are spread next, or were before;
    ``sources`` and ``sinks``: vertices that begin or end with one; ``bounded``: no source is endless.
    """
    operators = {one.id: vertex.id for vertex in graph.vertices.values() for one in vertex.operators}
    sources = [one for one in graph.vertices.values() if isinstance(one.operators[0].spec, Source)]
    return {
        "sources": [vertex.id for vertex in sources],
        "sinks": [vertex.id for vertex in graph.vertices.values() if isinstance(vertex.operators[-1].spec, Sink)],
        "bounded": all(one.operators[0].spec.bounded for one in sources if isinstance(one.operators[0].spec, Source)),
        "vertices": [_vertex(vertex) for vertex in graph.vertices.values()],
        "operators": operators,
        "keys": {name: keys for vertex in graph.vertices.values() for name, keys in _keys(vertex, graph)},
        "edges": [
            {
                "index": edge.index,
                "up": edge.up,
                "down": edge.down,
                "port": edge.port,
                "type": edge.type.value,
                "keys": list(edge.keys),
                "operator": edge.operator,
                "senders": graph.vertices[edge.up].parallelism,
                "receivers": graph.vertices[edge.down].parallelism,
            }
            for edge in graph.edges
        ],
    }


def last_operators(views: Mapping[str, Any]) -> Mapping[str, str]:
    """The last operator of each vertex: of one that ends with a sink the sink itself.

    What left such a vertex is more than its sink has taken: rows of side outputs leave the chain before.
    """
    return {vertex: operator for operator, vertex in views.get("operators", {}).items()}


def _vertex(vertex: Vertex) -> dict[str, Any]:
    first, last = vertex.operators[0].spec, vertex.operators[-1].spec
    return {
        "id": vertex.id,
        "role": "source" if isinstance(first, Source) else "sink" if isinstance(last, Sink) else "operator",
        "kinds": [one.spec.kind for one in vertex.operators],
        "functions": [one.id for one in vertex.operators if _calls_users_code(one)],
    }


def _keys(vertex: Vertex, graph: ExecutionGraph) -> Iterator[tuple[str, list[str]]]:
    before = next((edge.keys for edge in graph.edges_into(vertex.id) if edge.keys), ())
    after = {edge.operator: edge.keys for edge in reversed(graph.edges_out_of(vertex.id)) if edge.keys}
    for operator, schema in zip(vertex.operators, vertex.schemas, strict=True):
        behind = after.get(operator.id, before)
        yield operator.id, [key for key in behind if key in schema.names] if behind else []


def _calls_users_code(operator: Operator) -> bool:
    """True for an operator with a function of the user, be it within an expression or called in the client."""
    is_callback = isinstance(operator.spec, Sink) and operator.spec.connector == "callback"
    return is_callback or any(True for _ in _functions(operator.spec))


def _functions(spec: Spec) -> Iterator[Function]:
    values = [getattr(spec, item.name) for item in fields(spec)]
    if isinstance(spec, Aggregate):
        values.extend(column.function for column in spec.columns)
    for value in values:
        for one in value if isinstance(value, tuple) else (value,):
            named = one[1] if isinstance(one, tuple) and len(one) == 2 else one  # (name, expression)
            if isinstance(named, Function):
                yield named
            elif isinstance(named, Expr):
                yield from functions(named)
