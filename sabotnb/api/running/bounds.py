"""Bounds of range partitions, from a sample of the rows that will pass.

A job is compiled once. Samples run as the graph was written: expanded to tasks, but not optimized.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from sabotnb import plan
from sabotnb.api.running.compiling import CompiledJob, compile_graph, read_splits, sources, with_sources
from sabotnb.api.running.sampled_run import sampled_sources
from sabotnb.config import Config
from sabotnb.expr import Literal, literal_of
from sabotnb.graph import Edge, EdgeType, JobGraph, Operator, Sink, Source
from sabotnb.native import Categories, canonical, is_ordered
from sabotnb.task import run_local
from sabotnb.topology import reachable

SAMPLE_SECONDS = 2.0


def compile_bounded(graph: JobGraph, parallelism: int, *, optimize: bool = True) -> CompiledJob:
    """``compile_graph`` of the graph with bounds for its range partitions."""
    return compile_graph(with_bounds(graph, parallelism), parallelism, optimize=optimize)


def with_bounds(graph: JobGraph, parallelism: int) -> JobGraph:
    """The graph, every RANGE edge with bounds that split a sample of its rows evenly over the tasks below it.

    Each source is read once, whatever the number of edges; none, if each edge leads to a single task.
    """
    wanted = {edge: graph.operators[edge.down].parallelism or parallelism for edge in graph.edges if _is_open(edge)}
    wanted = {edge: ranges for edge, ranges in wanted.items() if ranges > 1}
    if not wanted:
        return graph
    graph.validate()
    above = {edge: _above(graph, edge) for edge in wanted}
    read = {name: spec for sampled in above.values() for name, spec in sources(sampled).items()}
    samples = sampled_sources(read, Config.from_environment().preview_rows, time.monotonic() + SAMPLE_SECONDS)
    tables = {sample.operator: sample.spec for sample in samples}
    bounds = {edge: _sampled(above[edge], _column(edge), ranges, tables) for edge, ranges in wanted.items()}
    return replace(graph, edges=tuple(_bounded(edge, bounds[edge]) if edge in bounds else edge for edge in graph.edges))


def _is_open(edge: Edge) -> bool:
    return edge.hint is not None and edge.hint.type is EdgeType.RANGE and not edge.hint.bounds


def _column(edge: Edge) -> str:
    assert edge.hint is not None
    return edge.hint.keys[0]


def _bounded(edge: Edge, bounds: tuple[Literal, ...]) -> Edge:
    assert edge.hint is not None
    return replace(edge, hint=replace(edge.hint, bounds=bounds))


def _sampled(above: JobGraph, column: str, ranges: int, tables: Mapping[str, Source]) -> tuple[Literal, ...]:
    """At most ``ranges`` - 1 different values of ``column``, in order."""
    (sink,) = above.get_sinks()
    execution = plan.physical(with_sources(above, tables), parallelism=1)
    batches = list(run_local(execution, read_splits(execution)))
    table = pa.Table.from_batches(batches, schema=above.schemas()[sink.id])
    categories, data_type = Categories(column), table.schema.field(column).type
    chunks = [
        categories.codes(chunk) if is_ordered(data_type) else canonical.decoded(chunk)
        for chunk in table.column(column).chunks
    ]
    if not any(len(chunk) > chunk.null_count for chunk in chunks):
        return ()
    values = pa.concat_arrays(chunks).drop_null()
    ordered = values.take(pc.sort_indices(values))
    if is_ordered(data_type):
        ordered = canonical.decoded(categories.restored(ordered, data_type))
    positions = [len(ordered) * cut // ranges for cut in range(1, ranges)]
    return tuple(dict.fromkeys(literal_of(ordered[position]) for position in positions))


def _above(graph: JobGraph, edge: Edge) -> JobGraph:
    """What makes the rows of ``edge``, and a sink that collects them."""
    wanted = reachable([edge.up], [(other.down, other.up) for other in graph.edges])
    sink = graph.unique_id("sink")
    operators = {name: operator for name, operator in graph.operators.items() if name in wanted}
    edges = tuple(other for other in graph.edges if other.down in wanted)
    return replace(
        graph,
        operators={**operators, sink: Operator(sink, Sink("collect"))},
        edges=(*edges, Edge(edge.up, sink, side=edge.side)),
    )
