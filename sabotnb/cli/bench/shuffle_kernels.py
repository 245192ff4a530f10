"""Shuffle kernels on one core, and what the wire carries: batches of 65,536 rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from sabotnb import native
from sabotnb.cli.bench import transports
from sabotnb.cli.bench.measure import Case, Make, Work

ROWS = 65_536
BATCHES = 50
PARTITIONS = 8
TABLE = pa.array(np.arange(128) % PARTITIONS, pa.uint16())
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def cases() -> Iterator[Case]:
    """Hash included everywhere. The take route has a cheaper hash than ours; polars uses every core, we use one."""
    numbers = _numbers()
    mixed = pa.record_batch([*numbers.columns[:3], _strings()], names=["a", "b", "c", "s"])
    encoded = mixed.set_column(3, "s", mixed.column("s").dictionary_encode())
    total = ROWS * BATCHES
    yield Case("hash of one int64 column", _repeat(lambda: native.hash_rows([numbers.column(0)])), total)
    yield Case("hash of strings of 12 bytes", _repeat(lambda: native.hash_rows([mixed.column("s")])), total)
    yield Case(
        f"partition of 4 int64 columns into {PARTITIONS}",
        _partition(numbers, [0]),
        total,
        {"pyarrow take": _take(numbers), "polars partition_by": _polars(numbers, "a")},
    )
    yield Case(
        "partition of 3 int64 and a string column by an int64",
        _partition(mixed, [0]),
        total,
        {"pyarrow take": _take(mixed), "polars partition_by": _polars(mixed, "a")},
    )
    yield Case(
        "partition of 3 int64 and a string column by the string",
        _partition(mixed, [3]),
        total,
        {"polars partition_by": _polars(mixed, "s")},
    )
    yield Case("partition of 3 int64 and a dictionary column by the dictionary", _partition(encoded, [3]), total)
    yield from transports.cases()


def _numbers() -> pa.RecordBatch:
    random = np.random.default_rng(0)
    return pa.record_batch([random.integers(0, 2**62, ROWS) for _ in range(4)], names=["a", "b", "c", "d"])


def _strings() -> pa.Array:
    random = np.random.default_rng(1)
    return pa.array([f"channel-{number:04d}" for number in random.integers(0, 10_000, ROWS)])


def _repeat(work: Work) -> Make:
    def run() -> None:
        for _ in range(BATCHES):
            work()

    return lambda: run


def _partition(batch: pa.RecordBatch, keys: Sequence[int]) -> Make:
    return _repeat(lambda: native.partition(batch, keys, TABLE, PARTITIONS))


def _take(batch: pa.RecordBatch) -> Make:
    """Sort the row numbers by destination, take once, slice."""

    def split() -> list[pa.RecordBatch]:
        destinations = (batch.column(0).to_numpy().view(np.uint64) * MULTIPLIER) >> np.uint64(61)
        small = destinations.astype(np.uint8)  # numpy sorts bytes by counting
        taken = batch.take(pa.array(np.argsort(small, kind="stable")))
        ends = np.cumsum(np.bincount(small, minlength=PARTITIONS))
        return [
            taken.slice(start, end - start) for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)
        ]

    return _repeat(split)


def _polars(batch: pa.RecordBatch, key: str) -> Make:
    def make() -> Work:
        import polars as pl

        frame = pl.from_arrow(pa.table(batch))
        assert isinstance(frame, pl.DataFrame)
        destination = (pl.col(key).hash() % PARTITIONS).alias("destination")

        def run() -> None:
            for _ in range(BATCHES):
                frame.with_columns(destination).partition_by("destination", include_key=False)

        return run

    return make
