"""Whole jobs on two worker processes over Nexmark files, beside the batch engines that set the limit on one machine.

Steady state: the cluster is up and the files are written before anything is timed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sabotnb as sb
from sabotnb import col
from sabotnb.cache import cache_root
from sabotnb.cli.bench.measure import Case, Make, Work
from sabotnb.nexmark import write_parquet

PRICE_FACTOR = 0.908
WORKERS = 2
SMALL_EVENTS = 1_000_000
SMALL_ROWS = SMALL_EVENTS * 46 // 50
MANY_ROWS = 20_000_000
MANY_TASKS = 100


@contextmanager
def cases(events: int) -> Iterator[list[Case]]:
    """The cases over ``events`` Nexmark events (46 of 50 are bids), on a cluster that lives as long as the context."""
    large, small = (_bids(count) for count in (events, SMALL_EVENTS))
    with sb.local(workers=WORKERS, slots=MANY_TASKS // WORKERS) as env:
        yield [*_queries(large, events), _python_rows(small), _slow_sink(small, env), _many_channels()]


def _bids(events: int) -> str:
    return write_parquet(cache_root() / f"nexmark-{events}", events).bids


def _queries(path: str, events: int) -> Iterator[Case]:
    bids = sb.Stream.from_parquet(path)
    rows = events * 46 // 50
    queries: dict[str, tuple[sb.Stream, str]] = {
        "map+sum": (
            bids.select(price=col("price") * PRICE_FACTOR).agg(n=sb.count(), total=col("price").sum()),
            f"SELECT count(*) AS n, sum(price * {PRICE_FACTOR}) AS total FROM bids",  # noqa: S608 - a constant
        ),
        "filter+project": (
            bids.filter(col("auction") % 123 == 0).select("auction", "price"),
            "SELECT auction, price FROM bids WHERE auction % 123 = 0",
        ),
        "per bidder": (
            bids.group_by("bidder").agg(n=sb.count(), total=col("price").sum(), most=col("price").max()),
            "SELECT bidder, count(*) AS n, sum(price) AS total, max(price) AS most FROM bids GROUP BY bidder",
        ),
        "per channel (string)": (
            bids.group_by("channel").agg(n=sb.count()),
            "SELECT channel, count(*) AS n FROM bids GROUP BY channel",
        ),
    }
    for name, (stream, sql) in queries.items():
        peers = {"polars": _polars(path, sql), "duckdb": _duckdb(path, sql)}
        yield Case(name, _ours(stream), rows, peers)


def _ours(stream: sb.Stream) -> Make:
    return lambda: stream.to_arrow


def _polars(path: str, sql: str) -> Make:
    def make() -> Work:
        import polars as pl

        query = pl.SQLContext(bids=pl.scan_parquet(path)).execute(sql)
        return lambda: query.collect(engine="streaming")

    return make


def _duckdb(path: str, sql: str) -> Make:
    def make() -> Work:
        import duckdb

        connection = duckdb.connect(config={"threads": WORKERS})
        connection.execute(f"CREATE VIEW bids AS SELECT * FROM read_parquet('{path}')")  # noqa: S608
        return lambda: connection.sql(sql).to_arrow_table()

    return make


def _python_rows(path: str) -> Case:
    """A Python function per row: what the GIL leaves of two processes."""

    def cheap(row: dict[str, Any]) -> dict[str, Any] | None:
        return {"auction": row["auction"], "euros": row["price"] * PRICE_FACTOR} if row["price"] > 1000 else None

    bids = sb.Stream.from_parquet(path).select("auction", "price")
    stream = bids.map_rows(cheap, schema={"auction": "int64", "euros": "double"}).agg(total=col("euros").sum())
    return Case("python function per row", _ours(stream), SMALL_ROWS)


def _slow_sink(path: str, env: sb.Env) -> Case:
    """A source far faster than its sink: what the workers' memory grows by is what the buffers hold."""

    def slowly(batch: Any) -> Any:
        sum(i * i for i in range(2000 * batch.num_rows // 100))
        return batch

    bids = sb.Stream.from_parquet(path)
    stream = bids.rebalance().map_batches(slowly, schema=bids.schema).agg(n=sb.count())
    return Case("slow sink", _ours(stream), SMALL_ROWS, figures=lambda: {"worker_peak_rss_mb": worker_peak_mb(env)})


def _many_channels() -> Case:
    """Every task sends to every other, over two agents: how full the batches between them still are."""
    received: dict[str, float] = {}
    ticks = sb.Stream.from_rate(1_000_000_000, n=MANY_ROWS).named("ticks", parallelism=MANY_TASKS)
    spread = ticks.partition_by("value").map_batches(_same, schema=ticks.schema).named("spread", parallelism=MANY_TASKS)

    def work() -> None:
        job = spread.agg(n=sb.count()).sink_callback(_ignore).run("bench-many-channels")
        job.wait(timeout="120s")
        tasks = job.metrics().query("vertex == 'spread'")
        received["rows_per_batch"] = tasks["rows_in"].sum() / tasks["batches_in"].sum()

    return Case(f"{MANY_TASKS} x {MANY_TASKS} tasks", lambda: work, MANY_ROWS, figures=lambda: received)


def _same(batch: Any) -> Any:
    return batch


def _ignore(_batch: Any) -> None:
    """Take rows and do nothing with them."""


def worker_peak_mb(env: sb.Env) -> float:
    """Largest peak resident memory of a worker process so far (MB)."""
    statuses = (Path(f"/proc/{pid}/status").read_text() for pid in env.slots()["pid"])
    lines = (line for status in statuses for line in status.splitlines() if line.startswith("VmHWM"))
    return max(int(line.split()[1]) for line in lines) / 1024
