"""Verbs that say how rows are partitioned over the tasks of the next operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sabotnb.api.stream_node import StreamPlan
from sabotnb.api.verbs import columns
from sabotnb.api.verbs.columns import Column
from sabotnb.blobs import capture
from sabotnb.errors import TypeMismatch
from sabotnb.expr import Expr
from sabotnb.graph import EdgeHint, EdgeType, has_order


def rebalanced(flow: StreamPlan) -> StreamPlan:
    """Send each batch to the task with the most free capacity."""
    return flow.spread(EdgeHint(EdgeType.REBALANCE))


def partitioned(flow: StreamPlan, by: Callable[..., Any] | Column | Sequence[Column]) -> StreamPlan:
    """Send rows with equal columns to one task, or each row to the task that a function of the batch returns."""
    if callable(by) and not isinstance(by, Expr):
        return flow.spread(EdgeHint(EdgeType.CUSTOM, function=capture(by, "partition_by")))
    return flow.spread(EdgeHint(EdgeType.HASH, columns.names(columns.listed(by), flow.schema)))


def range_partitioned(flow: StreamPlan, column: Column) -> StreamPlan:
    """Send each range of values to one task; the bounds come from a sample at run time."""
    (name,) = columns.names((column,), flow.schema)
    data_type = flow.schema.field(name).type
    if not has_order(data_type):
        raise TypeMismatch(f"{name!r} is {data_type}, which has no order; make a plain column of it")
    return flow.spread(EdgeHint(EdgeType.RANGE, (name,)))
