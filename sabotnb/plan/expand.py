"""Derive the tasks and channels of an execution graph, which messages never list."""

from __future__ import annotations

from sabotnb.graph import EdgeType
from sabotnb.plan.execution_graph import ExecutionGraph, ShuffleEdge
from sabotnb.protocol import RunId


def tasks(graph: ExecutionGraph) -> list[tuple[str, int]]:
    """Return every ``(vertex, index)``, vertices in topological order."""
    return [(vertex.id, index) for vertex in graph.vertices.values() for index in range(vertex.parallelism)]


def channels(edge: ShuffleEdge, graph: ExecutionGraph) -> list[tuple[int, int]]:
    """Return the ``(upstream index, downstream index)`` pairs between which ``edge`` has channels.

    FORWARD connects equal indexes, GATHER ends in task 0, every other type connects all with all.
    """
    return [(up, down) for down in range(graph.vertices[edge.down].parallelism) for up in upstreams(edge, graph, down)]


def upstreams(edge: ShuffleEdge, graph: ExecutionGraph, index: int) -> range:
    """Return the indexes of upstream tasks that send to task ``index`` below ``edge``."""
    if edge.type is EdgeType.FORWARD:
        return range(index, index + 1)
    if edge.type is EdgeType.GATHER and index > 0:
        return range(0)
    return range(graph.vertices[edge.up].parallelism)


def downstreams(edge: ShuffleEdge, graph: ExecutionGraph, index: int) -> range:
    """Return the indexes of downstream tasks that task ``index`` above ``edge`` sends to."""
    if edge.type is EdgeType.FORWARD:
        return range(index, index + 1)
    if edge.type is EdgeType.GATHER:
        return range(1)
    return range(graph.vertices[edge.down].parallelism)


def input_edges(graph: ExecutionGraph, vertex: str) -> list[ShuffleEdge]:
    """Return the edges into ``vertex``, in order of port."""
    return list(graph.edges_into(vertex))


def edge_id(run: RunId, edge: ShuffleEdge) -> str:
    """Return the name of a shuffle edge in metrics and logs: ``{run}:{up}->{down}:{port}``."""
    return f"{run}:{edge.up}->{edge.down}:{edge.port}"
