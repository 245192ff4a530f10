"""The operators of ``group_by``, in three phases: whole rows, partial aggregates, and merging of partials."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from sabotnb.graph import Aggregate
from sabotnb.operators.category_codes import CategoryCodes
from sabotnb.operators.group_states import aggregated_groups
from sabotnb.operators.updates import GroupOperator, GroupResults
from sabotnb.protocol import EndReason, Operator, OperatorContext, Out, StateSpec
from sabotnb.state import BatchPartials


class AggregateOperator(GroupOperator):
    """Aggregates rows, or partial aggregates, by key, and returns one row per key when the input has ended.

    Without keys, task 0 returns exactly one row, even for empty input.
    """

    def __init__(self, spec: Aggregate, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._codes = CategoryCodes(spec)

    def open(self, ctx: OperatorContext) -> None:
        self._returns = bool(self._spec.keys) or ctx.index == 0
        self._groups = aggregated_groups(self._spec, self._codes, ctx.groups, ctx.config.batch_rows)
        ctx.keyed(StateSpec("aggregates"), self._groups.keyed)
        self._results = GroupResults(self._groups, self._codes.keys, self._spec.every, ctx)

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        return self._results.last() if self._returns else ()


class PartialAggregateOperator(Operator):
    """Aggregates within each batch and keeps no state."""

    def __init__(self, spec: Aggregate, inputs: Sequence[pa.Schema]) -> None:
        self._codes = CategoryCodes(spec)

    def open(self, ctx: OperatorContext) -> None:
        codes = self._codes
        self._local = BatchPartials(codes.keys, codes.columns, codes.schema)

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        return (self._codes.partials(self._local.partials(self._codes.coded(batch))),)
