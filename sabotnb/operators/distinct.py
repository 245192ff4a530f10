"""The operator of ``distinct``: passes on the first row of each key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from sabotnb.graph import Distinct
from sabotnb.operators.encoding import taken
from sabotnb.protocol import Delayed, Operator, OperatorContext, Out, StateSpec
from sabotnb.state import KeySet


class DistinctOperator(Operator):
    """Passes on rows with a new key immediately; its state has keys, not rows. Without keys all columns are the key."""

    delayed = Delayed.KEEP

    def __init__(self, spec: Distinct, inputs: Sequence[pa.Schema]) -> None:
        self._keys = pa.schema([inputs[0].field(key) for key in spec.keys or inputs[0].names])

    def open(self, ctx: OperatorContext) -> None:
        self._met = ctx.keyed(StateSpec("keys"), KeySet(self._keys, ctx.groups))

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        fresh = self._met.add([batch.column(key) for key in self._keys.names])
        if len(fresh) == 0:
            return ()
        return (batch if len(fresh) == batch.num_rows else taken(batch, fresh),)
