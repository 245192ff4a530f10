"""Create the operator of a task from its spec."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import pyarrow as pa

from sabotnb.errors import GraphError
from sabotnb.graph import (
    AsofJoin,
    CountWindow,
    IntervalJoin,
    SessionWindow,
    TimeJoin,
    UntilWindow,
    WindowJoin,
    specs,
)
from sabotnb.native import without_orders
from sabotnb.operators.assign_times import AssignTimesOperator
from sabotnb.operators.filter import FilterBatchesOperator, FilterOperator
from sabotnb.operators.map_batches import MapBatchesOperator
from sabotnb.operators.map_rows import MapRowsOperator
from sabotnb.operators.project import ProjectOperator
from sabotnb.operators.union import UnionOperator
from sabotnb.protocol import Operator

Spillable = TypeVar("Spillable", specs.Aggregate, specs.Distinct, specs.Join, specs.Reduce, specs.Top)
HasSchema = TypeVar(
    "HasSchema", bound=specs.Aggregate | specs.Reduce | specs.MapBatches | specs.MapRows | specs.MapAsync
)


def create(spec: specs.Spec, inputs: Sequence[pa.Schema]) -> Operator:
    """Create the operator of ``spec`` for inputs of these schemas, one per port. Open it before use.

    Raises:
        GraphError: a source or a sink, which connectors create.
    """
    match spec:
        case specs.Filter():
            return FilterOperator(spec, inputs)
        case specs.Project():
            return ProjectOperator(spec, inputs)
        case specs.AssignTimes():
            return AssignTimesOperator(spec)
        case specs.Aggregate() | specs.Reduce() | specs.MapBatches() | specs.MapRows() | specs.MapAsync():
            return _of_rows(_for_rows(spec), [*map(without_orders, inputs)])
        case specs.Window(verb=specs.Aggregate() | specs.Reduce() as verb):
            return _of_rows(replace(spec, verb=_for_rows(verb)), [*map(without_orders, inputs)])
        case _:
            return _of_rows(spec, [*map(without_orders, inputs)])


def _for_rows(spec: HasSchema) -> HasSchema:
    return replace(spec, schema=without_orders(spec.schema))


def _of_rows(spec: specs.Spec, inputs: Sequence[pa.Schema]) -> Operator:
    """Create an operator without expressions: only these need the orders of categories that a plan knows."""
    match spec:
        case specs.FilterBatches():
            return FilterBatchesOperator(spec, inputs)
        case specs.MapBatches():
            return MapBatchesOperator(spec, inputs)
        case specs.MapRows():
            return MapRowsOperator(spec, inputs)
        case specs.MapAsync():
            from sabotnb.operators.map_async.async_operator import MapAsyncOperator  # loads asyncio

            return MapAsyncOperator(spec, inputs)
        case specs.Union():
            return UnionOperator(spec, inputs)
        case _:
            return _stateful(spec, inputs)


def _stateful(spec: specs.Spec, inputs: Sequence[pa.Schema]) -> Operator:  # noqa: C901, PLR0911, PLR0912  a table
    """Create an operator with state. Imported when needed, so that jobs without state do not load its kernels."""
    match spec:
        case specs.Aggregate(phase=specs.Phase.PARTIAL):
            from sabotnb.operators.aggregate import PartialAggregateOperator

            return PartialAggregateOperator(spec, inputs)
        case specs.Aggregate():
            from sabotnb.operators.aggregate import AggregateOperator

            return _spillable(spec, inputs, AggregateOperator)
        case specs.Reduce():
            from sabotnb.operators.reduce import ReduceOperator

            return _spillable(spec, inputs, ReduceOperator)
        case specs.Distinct():
            from sabotnb.operators.distinct import DistinctOperator

            return _spillable(spec, inputs, DistinctOperator)
        case specs.Top():
            from sabotnb.operators.top import TopOperator

            return _spillable(spec, inputs, TopOperator)
        case specs.Window(shape=SessionWindow()) | specs.Window(shape=UntilWindow(), lateness=0, early=None):
            from sabotnb.operators.windows.session_operator import SessionOperator

            return SessionOperator(spec, inputs)
        case specs.Window(verb=specs.Aggregate(phase=specs.Phase.PARTIAL)):
            from sabotnb.operators.windows.partial_windows import PartialWindowOperator

            return PartialWindowOperator(spec, inputs)
        case specs.Window(shape=CountWindow()):
            from sabotnb.operators.windows.count_operator import CountOperator

            return CountOperator(spec, inputs)
        case specs.Window():
            from sabotnb.operators.windows.window_operator import WindowOperator

            return WindowOperator(spec, inputs)
        case specs.Process():
            from sabotnb.operators.process.process_operator import ProcessOperator

            return ProcessOperator(spec, inputs)
        case specs.Sort():
            from sabotnb.operators.sort import SortOperator

            return SortOperator(spec, inputs)
        case specs.Join() | IntervalJoin() | AsofJoin() | WindowJoin():
            return _join(spec, inputs)
        case _:
            raise GraphError(f"{spec.kind} is made by its connector, not here")


def _join(spec: specs.Join | TimeJoin, inputs: Sequence[pa.Schema]) -> Operator:
    match spec:
        case specs.Join():
            from sabotnb.operators.join import JoinOperator

            return _spillable(spec, inputs, JoinOperator)
        case IntervalJoin():
            from sabotnb.operators.timejoins.interval_join_operator import IntervalJoinOperator

            return IntervalJoinOperator(spec, inputs)
        case AsofJoin():
            from sabotnb.operators.timejoins.asof_join_operator import AsofJoinOperator

            return AsofJoinOperator(spec, inputs)
        case WindowJoin():
            from sabotnb.operators.timejoins.window_join_operator import WindowJoinOperator

            return WindowJoinOperator(spec, inputs)


def _spillable(
    spec: Spillable, inputs: Sequence[pa.Schema], kind: Callable[[Spillable, Sequence[pa.Schema]], Operator]
) -> Operator:
    from sabotnb.operators.spilling.spillable import spillable

    return spillable(spec, inputs, lambda: kind(spec, inputs))
