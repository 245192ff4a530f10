"""How rows are spread over the tasks of the next operator, where the user says so."""

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
    """Each batch to the task with most room."""
    return flow.spread(EdgeHint(EdgeType.REBALANCE))


def partitioned(flow: StreamPlan, by: Callable[..., Any] | Column | Sequence[Column]) -> StreamPlan:
    """Rows of equal columns to one task; or each row to the task that a function of batch and number of tasks says."""
    if callable(by) and not isinstance(by, Expr):
        return flow.spread(EdgeHint(EdgeType.CUSTOM, function=capture(by, "partition_by")))
    return flow.spread(EdgeHint(EdgeType.HASH, columns.names(columns.listed(by), flow.schema)))


def range_partitioned(flow: StreamPlan, column: Column) -> StreamPlan:
    """Rows of neighbouring values to one task; the bounds come from a sample when the stream is run."""
    (name,) = columns.names((column,), flow.schema)
    data_type = flow.schema.field(name).type
    if not has_order(data_type):
        raise TypeMismatch(f"{name!r} is {data_type}, which has no order; make a plain column of it")
    return flow.spread(EdgeHint(EdgeType.RANGE, (name,)))
