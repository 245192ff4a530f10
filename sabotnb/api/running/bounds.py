"""Bounds of range partitions, from a sample of the rows that will pass."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.api.running.sampled_run import run_on_sample
from sabotnb.config import Config
from sabotnb.expr import Literal, literal_of
from sabotnb.graph import Edge, EdgeType, JobGraph, Operator, Sink
from sabotnb.native import Categories, canonical, is_ordered
from sabotnb.topology import reachable

SAMPLE_SECONDS = 2.0


def with_bounds(graph: JobGraph, parallelism: int) -> JobGraph:
    """The graph, every RANGE edge with bounds that split a sample of its rows evenly over the tasks below it."""
    if not any(_is_open(edge) for edge in graph.edges):
        return graph
    graph.validate()
    return replace(graph, edges=tuple(_bounded(graph, edge, parallelism) for edge in graph.edges))


def _is_open(edge: Edge) -> bool:
    return edge.hint is not None and edge.hint.type is EdgeType.RANGE and not edge.hint.bounds


def _bounded(graph: JobGraph, edge: Edge, parallelism: int) -> Edge:
    if edge.hint is None or not _is_open(edge):
        return edge
    tasks = graph.operators[edge.down].parallelism or parallelism
    return replace(edge, hint=replace(edge.hint, bounds=_sampled(graph, edge, edge.hint.keys[0], tasks)))


def _sampled(graph: JobGraph, edge: Edge, column: str, ranges: int) -> tuple[Literal, ...]:
    """At most ``ranges`` - 1 different values of ``column``, in order."""
    above = _above(graph, edge)
    run = run_on_sample(above, Config.from_environment().preview_rows, SAMPLE_SECONDS)
    (sink,) = above.get_sinks()
    table = pa.Table.from_batches(list(run.batches), schema=above.schemas()[sink.id])
    categories, data_type = Categories(column), table.schema.field(column).type
    chunks = [
        categories.codes(chunk) if is_ordered(data_type) else canonical.decoded(chunk)
        for chunk in table.column(column).chunks
    ]
    if ranges < 2 or not any(len(chunk) > chunk.null_count for chunk in chunks):
        return ()
    values = pa.concat_arrays(chunks).drop_null()
    ordered = values.take(pc.sort_indices(values))
    if is_ordered(data_type):
        ordered = canonical.decoded(categories.restored(ordered, data_type))
    positions = [len(ordered) * cut // ranges for cut in range(1, ranges)]
    return tuple(dict.fromkeys(literal_of(ordered[position]) for position in positions))


def _above(graph: JobGraph, edge: Edge) -> JobGraph:
    """What makes the rows of ``edge``, and a sink that collects them."""
    wanted = reachable([edge.up], [(one.down, one.up) for one in graph.edges])
    sink = graph.unique_id("sink")
    operators = {name: operator for name, operator in graph.operators.items() if name in wanted}
    edges = tuple(one for one in graph.edges if one.down in wanted)
    return replace(
        graph,
        operators={**operators, sink: Operator(sink, Sink("collect"))},
        edges=(*edges, Edge(edge.up, sink, side=edge.side)),
    )
