"""The state of groups under one verb: what an operator, or each pane of its windows, keeps and returns in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Generic, Protocol, TypeVar

import pyarrow as pa

from sabotnb.graph import Aggregate, Phase, Reduce, Top
from sabotnb.operators.category_codes import CategoryCodes
from sabotnb.operators.reduced_groups import ReducedGroups
from sabotnb.operators.top_groups import TopGroups
from sabotnb.protocol import KeyedState, OperatorContext
from sabotnb.state import GroupedAggregates, KeySet, SharedAggregates, SharedSlots, SlotTable


class GroupState(Protocol):
    """Groups of rows under one verb."""

    @property
    def keyed(self) -> KeyedState:
        """The state to measure and to move; loading it into another state of the same verb merges both."""
        ...

    def add(self, batch: pa.RecordBatch) -> None:
        """Add rows of the operator's input."""
        ...

    def results(self, among: KeySet | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the results of all groups, or of those whose key is ``among`` some, in batches of bounded size."""
        ...


State = TypeVar("State", GroupedAggregates, SharedAggregates)


class AggregatedGroups(Generic[State]):
    """Aggregates per key; ``codes`` are shared by all states of an operator, because exported states refer to them."""

    def __init__(self, spec: Aggregate, codes: CategoryCodes, aggregates: State, limit: int) -> None:
        self._merges = spec.phase is Phase.FINAL
        self._codes = codes
        self._limit = limit
        self.aggregates: State = aggregates
        self.keyed = codes.with_categories(aggregates)

    def add(self, batch: pa.RecordBatch) -> None:
        if self._merges:
            self.aggregates.merge(self._codes.coded_partials(batch))
        else:
            self.aggregates.update(self._codes.coded(batch))

    def results(self, among: KeySet | None = None) -> Iterator[pa.RecordBatch]:
        return map(self._codes.results, self.aggregates.results(self._limit, among))


SharedGroups = AggregatedGroups[SharedAggregates]


class SharedMaker:
    """Makes states of one aggregation that have the slots of their keys in common."""

    def __init__(self, spec: Aggregate, ctx: OperatorContext) -> None:
        self._spec = spec
        self._codes = CategoryCodes(spec)
        self._limit = ctx.config.batch_rows
        self.shared = SharedSlots(self._codes.keys, self._codes.columns, self._codes.schema)

    def __call__(self, table: SlotTable | None = None) -> SharedGroups:
        """An empty state, or one with the rows of ``table``."""
        return AggregatedGroups(self._spec, self._codes, SharedAggregates(self.shared, table), self._limit)


def maker_of(
    verb: Aggregate | Top | Reduce, schema: pa.Schema, ctx: OperatorContext, groups: int
) -> Callable[[], GroupState]:
    """Return a function that makes an empty state of ``verb`` for rows of ``schema``, divided into ``groups``."""
    match verb:
        case Aggregate():
            return partial(aggregated_groups, verb, CategoryCodes(verb), groups, ctx.config.batch_rows)
        case Top():
            return partial(TopGroups, verb, schema, groups, ctx.config.batch_rows)
        case Reduce():
            return partial(ReducedGroups, verb, schema, groups, ctx)


def aggregated_groups(
    spec: Aggregate, codes: CategoryCodes, groups: int, limit: int
) -> AggregatedGroups[GroupedAggregates]:
    """Return an empty state with an index of its own."""
    return AggregatedGroups(spec, codes, GroupedAggregates(codes.keys, codes.columns, codes.schema, groups), limit)
