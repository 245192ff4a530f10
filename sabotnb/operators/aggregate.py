"""Grouping: of rows, of rows into mergeable parts, and of such parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from sabotnb.graph.specs import Aggregate, Phase
from sabotnb.protocol.elements import EndReason
from sabotnb.protocol.operator import Operator, OperatorContext, Out
from sabotnb.protocol.state import StateSpec
from sabotnb.state import BatchPartials, GroupedAggregates


class AggregateOperator(Operator):
    """FULL and FINAL hold a row per key and give them when the input has ended; PARTIAL holds nothing.

    Without keys task 0 gives exactly one row, even for empty input.
    """

    def __init__(self, spec: Aggregate, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._keys = pa.schema([spec.schema.field(key) for key in spec.keys])

    def open(self, ctx: OperatorContext) -> None:
        spec = self._spec
        self._ctx = ctx
        if spec.phase is Phase.PARTIAL:
            self._local = BatchPartials(self._keys, spec.columns, spec.schema)
        else:
            state = GroupedAggregates(self._keys, spec.columns, spec.schema, ctx.groups)
            self._state = ctx.keyed(StateSpec("aggregates"), state)

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        if self._spec.phase is Phase.PARTIAL:
            return (self._local.partials(batch),)
        if self._spec.phase is Phase.FINAL:
            self._state.merge(batch)
        else:
            self._state.update(batch)
        return ()

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        if self._spec.phase is Phase.PARTIAL or (not self._spec.keys and self._ctx.index > 0):
            return ()
        return self._state.results(self._ctx.config.batch_rows)
