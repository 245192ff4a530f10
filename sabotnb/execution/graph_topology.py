"""Derives the topology of a job from its execution graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields

from sabotnb.blobs import Function
from sabotnb.expr import Expr, functions
from sabotnb.graph import Aggregate, Operator, Sink, Source, Spec, port_keys
from sabotnb.plan import ExecutionGraph, Vertex
from sabotnb.protocol import ChainedOperator, JobEdge, JobTopology, JobVertex


def topology_of(graph: ExecutionGraph, removed: Mapping[str, str] | None = None) -> JobTopology:
    """Return what the control plane and clients need to know of ``graph``, and which operators were ``removed``."""
    return JobTopology.of(
        (_vertex(vertex, graph) for vertex in graph.vertices.values()),
        (
            JobEdge(
                edge.index, edge.up, edge.down, edge.port, edge.type.value, edge.operator, tuple(edge.keys), edge.domain
            )
            for edge in graph.edges
        ),
        graph.tables,
        removed,
    )


def _vertex(vertex: Vertex, graph: ExecutionGraph) -> JobVertex:
    first, last = vertex.operators[0].spec, vertex.operators[-1].spec
    keys = dict(_keys(vertex, graph))
    return JobVertex(
        vertex.id,
        vertex.parallelism,
        tuple(
            ChainedOperator(
                operator.id,
                operator.spec.kind,
                tuple(keys[operator.id]),
                _calls_users_code(operator),
                operator.part_of,
                combines=port_keys(operator.spec, 0) is not None,
            )
            for operator in vertex.operators
        ),
        reads=isinstance(first, Source),
        writes=isinstance(last, Sink),
        bounded=not isinstance(first, Source) or first.bounded,
        timed=isinstance(first, Source) and first.event_time is not None,
        dealt=isinstance(first, Source) and first.dealt,
        domain=vertex.domain,
        slot_group=vertex.slot_group,
        tags=vertex.tags,
        cpu=vertex.resources.cpu,
        memory=vertex.resources.memory,
    )


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
        for item in value if isinstance(value, tuple) else (value,):
            named = item[1] if isinstance(item, tuple) and len(item) == 2 else item  # (name, expression)
            if isinstance(named, Function):
                yield named
            elif isinstance(named, Expr):
                yield from functions(named)
