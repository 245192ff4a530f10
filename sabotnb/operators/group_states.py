"""The state of groups under one verb: what an operator, or each pane of its windows, keeps and returns in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

import pyarrow as pa

from sabotnb.graph import Aggregate, Phase, Reduce, Top
from sabotnb.operators.category_codes import CategoryCodes
from sabotnb.operators.reduced_groups import ReducedGroups
from sabotnb.operators.top_groups import TopGroups
from sabotnb.protocol import KeyedState, OperatorContext
from sabotnb.state import GroupedAggregates, KeySet


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


class AggregatedGroups:
    """Aggregates per key; ``codes`` are shared by all states of an operator, because exported states refer to them."""

    def __init__(self, spec: Aggregate, codes: CategoryCodes, groups: int, limit: int) -> None:
        self._merges = spec.phase is Phase.FINAL
        self._codes = codes
        self._limit = limit
        self._state = GroupedAggregates(codes.keys, codes.columns, codes.schema, groups)
        self.keyed = codes.with_categories(self._state)

    def add(self, batch: pa.RecordBatch) -> None:
        if self._merges:
            self._state.merge(self._codes.coded_partials(batch))
        else:
            self._state.update(self._codes.coded(batch))

    def results(self, among: KeySet | None = None) -> Iterator[pa.RecordBatch]:
        return map(self._codes.results, self._state.results(self._limit, among))


def maker_of(
    verb: Aggregate | Top | Reduce, schema: pa.Schema, ctx: OperatorContext, groups: int
) -> Callable[[], GroupState]:
    """Return a function that makes an empty state of ``verb`` for rows of ``schema``, divided into ``groups``."""
    match verb:
        case Aggregate():
            return partial(AggregatedGroups, verb, CategoryCodes(verb), groups, ctx.config.batch_rows)
        case Top():
            return partial(TopGroups, verb, schema, groups, ctx.config.batch_rows)
        case Reduce():
            return partial(ReducedGroups, verb, schema, groups, ctx)
