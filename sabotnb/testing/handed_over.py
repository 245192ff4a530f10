"""A sink that hands its rows over with the cuts, as a sink of files does with its files."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pyarrow as pa

from sabotnb.blobs import ipc_bytes
from sabotnb.protocol import Committable, OperatorContext, Out, Prepared, SinkOperator

RECORDED = "recorded"
"""The connector of sinks that are handed over."""


class HandingOver(SinkOperator):
    """Keeps its rows until the next cut. A committable has an ``id``, by which one that is repeated is known.

    ``received`` is called behind each batch, in the task's thread.
    """

    def __init__(self, received: Callable[[], None]) -> None:
        self._received = received
        self._batches: list[pa.RecordBatch] = []
        self._numbers = itertools.count()

    def open(self, ctx: OperatorContext) -> None:
        self._operator = ctx.operator
        self._name = f"{ctx.epoch}-{ctx.index}"

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        self._batches.append(batch)
        self._received()
        return ()

    def roll(self, cut: int) -> Prepared:
        batches, self._batches = self._batches, []
        return _HandedOver(self._operator, f"{self._name}-{next(self._numbers)}", batches)


class _HandedOver(Prepared):
    def __init__(self, operator: str, name: str, batches: Sequence[pa.RecordBatch]) -> None:
        self._operator = operator
        self._name = name
        self._batches = batches

    def durable(self) -> list[Committable]:
        if not self._batches:
            return []
        rows = base64.b64encode(ipc_bytes(self._batches[0].schema, self._batches)).decode()
        return [Committable(self._operator, {"id": self._name, "rows": rows})]


def rows_of(committables: Iterable[Committable]) -> list[dict[str, Any]]:
    """Return the rows that were handed over."""
    return [
        row
        for committable in committables
        for row in pa.ipc.open_stream(base64.b64decode(committable.payload["rows"])).read_all().to_pylist()
    ]
