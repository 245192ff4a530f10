"""The operator of ``union``: merges several streams into one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from sabotnb.eventtime import with_clocks_of, without_clock
from sabotnb.graph import Union, output_schema
from sabotnb.native import Orders
from sabotnb.operators.encoding import conformed
from sabotnb.protocol import Delayed, Operator, Out


class UnionOperator(Operator):
    """Passes on the batches of all ports, in the encodings of the common schema."""

    delayed = Delayed.KEEP

    def __init__(self, spec: Union, inputs: Sequence[pa.Schema]) -> None:
        self._schema = output_schema(spec, inputs)
        self._orders = Orders(self._schema)

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        rows = conformed(without_clock(batch), self._schema)
        self._orders.take(rows)
        return (with_clocks_of(rows, batch),)
