"""Lower descriptions to a job graph: every node becomes one operator with a readable, deterministic id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sabotnb.api.operator_ids import operator_ids
from sabotnb.api.stream_node import StreamNode, StreamPlan, check_names, nodes_of
from sabotnb.graph import Edge, JobGraph, Operator


@dataclass(frozen=True, slots=True)
class Lowered:
    """The job graph of some flows, with the operator of each node."""

    graph: JobGraph
    ids: Mapping[StreamNode, str]


def lower(flows: Iterable[StreamPlan]) -> Lowered:
    """Lower everything that ``flows`` need; operators are numbered by kind in topological order (``filter_0``)."""
    nodes = nodes_of(tuple(flows))
    check_names(nodes)
    ids = operator_ids(nodes)
    edges = (
        Edge(ids[flow.node], ids[node], port, flow.hint, flow.side)
        for node in nodes
        for port, flow in enumerate(node.inputs)
    )
    return Lowered(JobGraph({ids[node]: _operator(node, ids[node]) for node in nodes}, tuple(edges)), ids)


def _operator(node: StreamNode, operator_id: str) -> Operator:
    naming = node.naming
    return Operator(
        operator_id,
        node.spec,
        name=naming.name,
        parallelism=naming.parallelism,
        slot_group=naming.slot_group,
        tags=naming.tags,
        origin=node.origin,
    )
