"""Functions that the rules share: the load and the neighbors of vertices."""

from __future__ import annotations

from collections.abc import Iterator

from sabotnb.metrics.job_metrics import EdgeMetrics, JobMetrics, VertexMetrics


def measured(vertex: VertexMetrics) -> bool:
    """Return True if the vertex runs and its load was measured."""
    load = vertex.load
    return vertex.states.get("RUNNING", 0) > 0 and load.busy + load.idle + load.backpressured > 0


def occupied(vertex: VertexMetrics) -> float:
    """Return the share of the time in which the vertex could not take more rows."""
    return max(vertex.busiest, vertex.load.backpressured)


def measured_vertices(job: JobMetrics) -> list[VertexMetrics]:
    """Return the vertices that run and whose load was measured."""
    return [vertex for vertex in job.vertices if measured(vertex)]


def measured_sources(job: JobMetrics) -> list[VertexMetrics]:
    """Return the sources that run and whose load was measured."""
    return [vertex for vertex in measured_vertices(job) if vertex.role == "source"]


def vertices_below(job: JobMetrics, vertex: VertexMetrics) -> Iterator[VertexMetrics]:
    """Return the measured vertices that receive rows of ``vertex``."""
    names = {edge.down for edge in job.edges if edge.up == vertex.id}
    return (below for below in measured_vertices(job) if below.id in names)


def edges_into(job: JobMetrics, vertex: VertexMetrics) -> list[EdgeMetrics]:
    """Return the edges that lead to ``vertex``."""
    return [edge for edge in job.edges if edge.down == vertex.id]
