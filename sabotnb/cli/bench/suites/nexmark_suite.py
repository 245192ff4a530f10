"""Nexmark: bids, auctions and persons of an auction site. W1 to W8, a top ten and a distinct count."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from sabotnb.cli.bench.compare.ordinary_files import rows_per_file, sliced, write_table
from sabotnb.cli.bench.compare.suite import FileKind, QueryCase, Suite
from sabotnb.nexmark import counts, generate

FILES = {"bids": 40, "auctions": 20, "persons": 20}
SAMPLE_FILES = 20


def _write(folder: Path, events: float, kind: FileKind) -> None:
    rows = dict(zip(FILES, counts(int(events)), strict=True))
    for name, batches in zip(FILES, generate(int(events)), strict=True):
        write_table(folder / name, sliced(batches, rows_per_file(rows[name], FILES[name])), kind)
    write_table(folder / "some_bids", _some_bids(int(events) // 10), kind)


def _some_bids(events: int) -> Iterator[pa.Table]:
    return sliced(generate(events).bids, rows_per_file(counts(events)[0], SAMPLE_FILES))


SUITE = Suite(
    name="nexmark",
    cases=(
        QueryCase("W1", "map price x 0.908, count and sum", ("bids",)),
        QueryCase("W2", "filter auction % 123, project", ("bids",)),
        QueryCase("W3", "count, sum, max per bidder", ("bids",)),
        QueryCase("W4", "count per auction and 10 s", ("bids",)),
        QueryCase("W5", "join persons, auctions in the same 10 s", ("persons", "auctions")),
        QueryCase("W6", "join auctions, persons of three states", ("auctions", "persons")),
        QueryCase("W7", "count per channel (text)", ("bids",)),
        QueryCase("W8", "Python function per row", ("some_bids",)),
        # Many bids have the highest price; which of them are returned is the engine's choice.
        QueryCase("top", "ten bids of the highest price", ("bids",), checked=("price",)),
        QueryCase("distinct", "number of distinct bidders", ("bids",)),
    ),
    queries={
        "sabotnb": "sabotnb.cli.bench.suites.nexmark_streams",
        "polars": "sabotnb.cli.bench.suites.nexmark_polars",
        "duckdb": "sabotnb.cli.bench.suites.nexmark_sql",
        "bytewax": "sabotnb.cli.bench.suites.nexmark_bytewax",
        "streamz": "sabotnb.cli.bench.suites.nexmark_streamz",
    },
    write=_write,
    size=10_000_000,
    unit="events",
    kind="duckdb-snappy",
    version=1,
)
