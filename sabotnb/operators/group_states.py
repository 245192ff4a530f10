"""The state of groups under one verb: what an operator, or each pane of its windows, keeps and returns in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Generic, Protocol, TypeVar

import pyarrow as pa

from sabotnb.graph import Aggregate, Keys, Phase, Reduce, Top
from sabotnb.operators.category_codes import CategoryCodes
from sabotnb.operators.reduced_groups import ReducedGroups
from sabotnb.operators.top_groups import TopGroups
from sabotnb.protocol import KeyedState, OperatorContext
from sabotnb.state import CurrentRows, GroupedAggregates, KeySet, SharedAggregates, SharedSlots, SlotTable


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
    verb: Aggregate | Top | Reduce, schema: pa.Schema, ctx: OperatorContext, groups: int, updated: Keys | None = None
) -> Callable[[], GroupState]:
    """Return a function that makes an empty state of ``verb`` for rows of ``schema``, divided into ``groups``.

    If the rows are updates by the columns ``updated``, only the last of each counts.
    """
    if updated is not None:
        return partial(CurrentGroups, verb, schema, ctx, groups, updated)
    match verb:
        case Aggregate():
            return partial(aggregated_groups, verb, CategoryCodes(verb), groups, ctx.config.batch_rows)
        case Top():
            return partial(TopGroups, verb, schema, groups, ctx.config.batch_rows)
        case Reduce():
            return partial(ReducedGroups, verb, schema, groups, ctx)


class CurrentGroups:
    """The current row of each key of updates; results are computed from these rows, as rows that count may go."""

    def __init__(
        self, verb: Aggregate | Top | Reduce, schema: pa.Schema, ctx: OperatorContext, groups: int, updated: Keys
    ) -> None:
        self._make = maker_of(verb, schema, ctx, groups=1)
        self._keys = verb.keys
        self._limit = ctx.config.batch_rows
        self.keyed = CurrentRows(schema, verb.keys, updated, groups)

    def add(self, batch: pa.RecordBatch) -> None:
        """Let rows replace the earlier ones of their keys."""
        self.keyed.add(batch)

    def results(self, among: KeySet | None = None) -> Iterator[pa.RecordBatch]:
        state = self._make()
        for batch in self.keyed.current(self._limit):
            counted = batch
            if among is not None and self._keys:
                counted = batch.filter(pa.array(among.has([batch.column(key) for key in self._keys])))
            if counted.num_rows:
                state.add(counted)
        return state.results()


def aggregated_groups(
    spec: Aggregate, codes: CategoryCodes, groups: int, limit: int
) -> AggregatedGroups[GroupedAggregates]:
    """Return an empty state with an index of its own."""
    return AggregatedGroups(spec, codes, GroupedAggregates(codes.keys, codes.columns, codes.schema, groups), limit)
