"""The operator of ``group_by``, in its three phases: whole rows, partial aggregates, and merging of partials."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from sabotnb.graph import Aggregate, Phase
from sabotnb.operators.category_codes import CategoryCodes
from sabotnb.operators.group_states import aggregated_groups
from sabotnb.operators.updates import GroupResults
from sabotnb.protocol import EndReason, Operator, OperatorContext, Out, StateSpec
from sabotnb.state import BatchPartials


class AggregateOperator(Operator):
    """Aggregates rows by key.

    FULL and FINAL keep state per key and return one row per key when the input has ended. PARTIAL aggregates within
    each batch and keeps no state. Without keys, task 0 returns exactly one row, even for empty input.
    """

    def __init__(self, spec: Aggregate, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._codes = CategoryCodes(spec)

    def open(self, ctx: OperatorContext) -> None:
        spec, codes = self._spec, self._codes
        self._ctx = ctx
        if spec.phase is Phase.PARTIAL:
            self._local = BatchPartials(codes.keys, codes.columns, codes.schema)
        else:
            self._groups = aggregated_groups(spec, codes, ctx.groups, ctx.config.batch_rows)
            ctx.keyed(StateSpec("aggregates"), self._groups.keyed)
            self._results = GroupResults(self._groups, codes.keys, spec.every, ctx)

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        if self._spec.phase is Phase.PARTIAL:
            return (self._codes.partials(self._local.partials(self._codes.coded(batch))),)
        self._groups.add(batch)
        self._results.note(batch)
        return ()

    def on_wake(self) -> Iterable[Out]:
        return () if self._spec.phase is Phase.PARTIAL else self._results.due()

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        if self._spec.phase is Phase.PARTIAL or (not self._spec.keys and self._ctx.index > 0):
            return ()
        return self._results.last()
