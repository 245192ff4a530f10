"""Whole jobs that press on one mechanism: buffers before a slow sink, channels between many tasks.

The cluster is up and the files are written before anything is timed. How fast queries are beside other engines is what
``sabotnb bench compare`` measures.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sabotnb as sb
from sabotnb.cache import cache_root
from sabotnb.cli.bench.measure import Case
from sabotnb.nexmark import write_parquet

WORKERS = 2
MANY_ROWS = 20_000_000
MANY_TASKS = 100


@contextmanager
def cases(events: int) -> Iterator[list[Case]]:
    """The cases over ``events`` Nexmark events (46 of 50 are bids), on a cluster that lives as long as the context."""
    bids = write_parquet(cache_root() / f"nexmark-{events}", events).bids
    with sb.local(workers=WORKERS, slots=MANY_TASKS // WORKERS) as env:
        yield [_slow_sink(bids, events * 46 // 50, env), _many_channels()]


def _slow_sink(path: str, rows: int, env: sb.Env) -> Case:
    """A source far faster than its sink: what the workers' memory grows by is what the buffers hold."""

    def slowly(batch: Any) -> Any:
        sum(i * i for i in range(2000 * batch.num_rows // 100))
        return batch

    bids = sb.Stream.from_parquet(path)
    stream = bids.rebalance().map_batches(slowly, schema=bids.schema).agg(n=sb.count())
    return Case("slow sink", lambda: stream.to_arrow, rows, figures=lambda: {"worker_peak_rss_mb": worker_peak_mb(env)})


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
