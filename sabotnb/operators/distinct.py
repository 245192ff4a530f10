"""The first row met of each key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from sabotnb.graph.specs import Distinct
from sabotnb.native.keyindex import KeyIndex
from sabotnb.operators.held_rows import taken
from sabotnb.protocol.operator import Operator, OperatorContext, Out
from sabotnb.state import size_of


class DistinctOperator(Operator):
    """Passes on rows that bring a new key, as they come; it remembers keys, not rows. No keys: all columns."""

    def __init__(self, spec: Distinct, inputs: Sequence[pa.Schema]) -> None:
        self._keys = spec.keys or tuple(inputs[0].names)
        self._types = [inputs[0].field(key).type for key in self._keys]

    def open(self, ctx: OperatorContext) -> None:
        self._index = KeyIndex(self._types, ctx.groups)

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        fresh = self._index.upsert([batch.column(key) for key in self._keys], fresh=True).fresh
        if fresh is None or len(fresh) == 0:
            return ()
        return (batch if len(fresh) == batch.num_rows else taken(batch, fresh),)

    def state_size(self) -> tuple[int, int]:
        return size_of(self._index)
