"""Bounds of range partitions, from a sample of the rows that will pass."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.api.flow import Flow
from sabotnb.api.lower import Lowered
from sabotnb.api.sample import run_on_sample
from sabotnb.config import Config
from sabotnb.expr.literals import literal_of
from sabotnb.expr.nodes import Literal
from sabotnb.graph import EdgeHint, EdgeType, JobGraph
from sabotnb.native import canonical

SAMPLE_SECONDS = 2.0


def with_bounds(lowered: Lowered, parallelism: int) -> JobGraph:
    """The lowered graph, every RANGE edge with bounds that split a sample of its rows evenly over the tasks below."""
    bounds: dict[tuple[str, int], tuple[Literal, ...]] = {}
    for node, name in lowered.ids.items():
        for port, flow in enumerate(node.inputs):
            if flow.hint is not None and flow.hint.type is EdgeType.RANGE and not flow.hint.bounds:
                bounds[name, port] = _sampled(flow, flow.hint.keys[0], node.naming.parallelism or parallelism)
    if not bounds:
        return lowered.graph
    edges = tuple(
        replace(edge, hint=_with(edge.hint, bounds.get((edge.down, edge.port)))) for edge in lowered.graph.edges
    )
    return replace(lowered.graph, edges=edges)


def _with(hint: EdgeHint | None, bounds: tuple[Literal, ...] | None) -> EdgeHint | None:
    return hint if hint is None or bounds is None else replace(hint, bounds=bounds)


def _sampled(flow: Flow, column: str, ranges: int) -> tuple[Literal, ...]:
    """At most ``ranges`` - 1 different values of ``column``, in order."""
    unspread = replace(flow, hint=None)
    run = run_on_sample(unspread, Config.from_environment().preview_rows, SAMPLE_SECONDS)
    table = pa.Table.from_batches(list(run.batches), schema=flow.schema)
    chunks = [canonical.decoded(chunk).drop_null() for chunk in table.column(column).chunks]
    if ranges < 2 or not any(len(chunk) for chunk in chunks):
        return ()
    values = pa.concat_arrays(chunks)
    ordered = values.take(pc.sort_indices(values))
    positions = [len(ordered) * cut // ranges for cut in range(1, ranges)]
    return tuple(dict.fromkeys(literal_of(ordered[position]) for position in positions))
