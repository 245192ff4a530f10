"""Encode an execution graph as plain data for messages; functions and tables travel beside it as bytes by sha256."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sabotnb.errors import GraphError
from sabotnb.graph import JsonDecoder, JsonEncoder
from sabotnb.plan.execution_graph import ExecutionGraph, ShuffleEdge, Vertex

VERSION = 1


def dump(graph: ExecutionGraph) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return JSON-able data, the same for every agent, and the bytes that it names."""
    writer = JsonEncoder()
    data = {
        "version": VERSION,
        "vertices": [writer.write(vertex) for vertex in graph.vertices.values()],
        "edges": writer.write(graph.edges),
        "tables": {domain: list(table) for domain, table in graph.tables.items()},
        "groups": graph.groups,
    }
    return {**data, "blobs": writer.blob_index()}, writer.blobs()


def load(data: Mapping[str, Any], blobs: Mapping[str, bytes]) -> ExecutionGraph:
    """Read the graph that ``dump`` wrote; unpickles nothing. GraphError for another version or a missing blob."""
    if data.get("version") != VERSION:
        raise GraphError(
            f"an execution graph of version {data.get('version')} cannot be read; this sabotnb reads version {VERSION}"
        )
    reader = JsonDecoder.of(data["blobs"], blobs)
    vertices = [reader.read(Vertex, item) for item in data["vertices"]]
    return ExecutionGraph(
        vertices={vertex.id: vertex for vertex in vertices},
        edges=tuple(reader.read(ShuffleEdge, item) for item in data["edges"]),
        tables={domain: tuple(table) for domain, table in data["tables"].items()},
        groups=data["groups"],
    )
