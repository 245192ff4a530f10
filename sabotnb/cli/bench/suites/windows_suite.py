"""Windows over Nexmark's bids: tumbling in order and with disorder, sliding, and sessions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from sabotnb.cli.bench.compare.ordinary_files import rows_per_file, sliced, write_table
from sabotnb.cli.bench.compare.suite import FileKind, QueryCase, Suite
from sabotnb.nexmark import counts, generate

FILES = 40
COLUMNS = ["auction", "price", "date_time"]
DISORDER = 5_000_000
"""Microseconds that a bid may be behind the bids before it."""


def _write(folder: Path, events: float, kind: FileKind) -> None:
    per_file = rows_per_file(counts(int(events))[0], FILES)
    bids = (batch.select(COLUMNS) for batch in generate(int(events)).bids)
    write_table(folder / "bids", sliced(bids, per_file), kind)
    bids = (batch.select(COLUMNS) for batch in generate(int(events)).bids)
    write_table(folder / "disordered", sliced(_disordered(bids), per_file), kind)


def _disordered(bids: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    random = np.random.default_rng(7)
    place = COLUMNS.index("date_time")
    for batch in bids:
        field = batch.schema.field(place)
        times = batch.column(place).cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
        moved = times - random.integers(0, DISORDER, len(times))
        yield batch.set_column(place, field, pa.array(moved).cast(pa.timestamp("us")).cast(field.type))


SUITE = Suite(
    name="windows",
    cases=(
        QueryCase("tumbling", "count per auction and 10 s", ("bids",)),
        QueryCase("disorder", "the same, up to 5 s behind", ("disordered",)),
        QueryCase("sliding", "60 s every 1 s, count per auction % 1000", ("bids",)),
        QueryCase("session", "sessions of an auction, gap 2 s", ("bids",)),
    ),
    queries={
        "sabotnb": "sabotnb.cli.bench.suites.windows_streams",
        "polars": "sabotnb.cli.bench.suites.windows_polars",
        "duckdb": "sabotnb.cli.bench.suites.windows_sql",
    },
    write=_write,
    size=10_000_000,
    unit="events",
    kind="duckdb-snappy",
    version=1,
)
