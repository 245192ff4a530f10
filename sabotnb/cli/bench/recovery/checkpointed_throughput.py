"""What it costs in throughput that an aggregate over many keys takes a checkpoint every second.

The same job runs in turn without checkpoints and with them. Its source is faster than the tasks that count, so the rows
that these take in a second are all that they can. Workers, checkpoints and this process share the machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import sabotnb as sb
from sabotnb.cli.bench.recovery.bench_jobs import WORKERS, canceled, cluster, wait_for, wait_running
from sabotnb.cli.bench.recovery.case_measurements import Measurement, RecoveryCase, Run
from sabotnb.cli.bench.recovery.keyed_draws import bids, per_bidder, uniform

INTERVAL = "1s"
WARM_UP_SECONDS = 3.0
"""By then most keys are there."""
SECONDS = 8.0
TARGET_LOSS = 10.0


def cases(folder: Path, keys: int) -> list[RecoveryCase]:
    """The only case."""
    return [
        RecoveryCase(
            f"throughput at {keys:,} keys",
            f"count, sum and max per key, drawn uniformly; with a checkpoint every {INTERVAL} and without",
            partial(_open, folder, keys),
            weight=3.0,
        )
    ]


@contextmanager
def _open(folder: Path, keys: int) -> Iterator[Run]:
    with cluster(folder):
        sink = per_bidder(bids(uniform(keys)))
        policy = sb.checkpoint(INTERVAL, storage=folder / "throughput")
        yield lambda: _compared(sink, policy)


def _compared(sink: sb.Sink, policy: sb.Checkpointing) -> list[Measurement]:
    without, _ = _rows_per_second(sink, None)
    kept, taken = _rows_per_second(sink, policy)
    return [
        Measurement("throughput lost", 100 * (1 - kept / without), "%", TARGET_LOSS),
        Measurement("without checkpoints", without / 1e6, "M rows/s"),
        Measurement("with checkpoints", kept / 1e6, "M rows/s"),
        Measurement("checkpoints stored", taken, ""),
    ]


def _rows_per_second(sink: sb.Sink, policy: sb.Checkpointing | None) -> tuple[float, float]:
    """The rows that were counted per second, and the checkpoints that were stored meanwhile."""
    with canceled(sink.run("bench-throughput", checkpoint=policy, parallelism=WORKERS, fresh=True)) as job:
        wait_running(job)
        wait_for(lambda: _counted(job) > 0, "rows are counted")
        time.sleep(WARM_UP_SECONDS)
        first, began = _counted(job), time.perf_counter()
        time.sleep(SECONDS)
        counted, seconds = _counted(job) - first, time.perf_counter() - began
        taken = 0 if policy is None else int(job.checkpoints()["id"].max())
    return counted / seconds, taken


def _counted(job: sb.Job) -> int:
    tasks = job.metrics()
    return int(tasks.loc[tasks["vertex"].str.contains("totals"), "rows_in"].sum())
