"""A benchmark suite whose queries fail in every way: wrong rows, an exception, a crash, a hang."""

import os
import time

import pyarrow as pa

from sabotnb.cli.bench.compare.ordinary_files import write_table
from sabotnb.cli.bench.compare.suite import QueryCase, Suite

ROWS = pa.table({"x": [1, 2, 3]})


def write(folder, _size, kind):
    write_table(folder / "numbers", [ROWS], kind)


SUITE = Suite(
    name="failing_suite",
    cases=tuple(QueryCase(name, name, ("numbers",)) for name in ("right", "wrong", "raises", "dies", "hangs", "after")),
    queries={"sabotnb": "failing_streams", "polars": "failing_polars", "duckdb": "failing_sql"},
    write=write,
    size=1,
    unit="times",
    kind="duckdb-snappy",
    version=1,
)


def raising(t):
    raise ValueError("no such luck")


def dying(t):
    os._exit(3)


def hanging(t):
    time.sleep(3600)
