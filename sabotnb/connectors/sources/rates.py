"""The source of numbered rows that appear at a fixed rate, for demonstrations and tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from sabotnb.connectors.sources.pacing import ticked, until_tick
from sabotnb.connectors.sources.raw_batches import AlreadyRead, RawBatches, SourceEstimate
from sabotnb.errors import SourceError
from sabotnb.expr import is_above, whole
from sabotnb.graph import Source as Spec
from sabotnb.protocol import Split

SCHEMA = pa.schema({"time": pa.timestamp("us"), "value": pa.int64()})


def describe(per_second: float, n: int | None = None) -> Spec:
    """Rows of ``time`` (timestamp[us], UTC) and ``value`` (0, 1, ...); ``n`` of them, or without end.

    The ``time`` of row i is i / per_second seconds after the first; it appears then, or a hundredth of a second later.
    """
    if not is_above(per_second, 0):
        raise SourceError(f"per_second={per_second!r}: give a number of rows above 0")
    if n is not None:
        n = whole(n, SourceError(f"n={n!r}: give a number of rows from 0 on, or None for rows without end"), 0)
    return Spec("rate", SCHEMA, {"per_second": per_second, "n": n}, bounded=n is not None)


class Rate:
    """Connector of rows that appear at a fixed rate."""

    def __init__(self, spec: Spec, clock: Callable[[], float]) -> None:
        self._per_second: float = spec.options["per_second"]
        self._n: int | None = spec.options["n"]
        self._clock = clock

    def estimate(self) -> SourceEstimate:
        return SourceEstimate(self._n, None if self._n is None else self._n * 16)

    def splits(self) -> list[Split]:
        return [Split("rate", {"start": self._clock()}, rows=self._n)]

    def batches(self, split: Split, batch_rows: int, done: int = 0) -> RawBatches:
        start, made = split.position["start"], done
        if done:
            yield AlreadyRead(done)
        while self._n is None or made < self._n:
            due = int(ticked(self._clock() - start) * self._per_second) + 1
            stop = min(due if self._n is None else min(due, self._n), made + batch_rows)
            if stop <= made:
                yield until_tick(made / self._per_second, self._clock() - start)
                continue
            yield self._rows(start, made, stop)
            made = stop

    def _rows(self, start: float, first: int, stop: int) -> pa.RecordBatch:
        value = np.arange(first, stop, dtype=np.int64)
        time = int(start * 1e6) + np.floor(value * (1e6 / self._per_second)).astype(np.int64)
        return pa.RecordBatch.from_arrays(
            [pa.array(time).cast(SCHEMA.field("time").type), pa.array(value)], schema=SCHEMA
        )
