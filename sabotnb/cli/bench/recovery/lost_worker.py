"""How soon results come again after one of two workers is lost.

An endless job counts rows per key; its results are updates that arrive in this process, ten times a second. Each has
the time of the newest row that is in it. The rate source makes its rows by the clock, also those that it makes again
after a checkpoint, so a result is as late as its newest row is behind the clock when it arrives.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

import sabotnb as sb
from sabotnb import col
from sabotnb.cli.bench.recovery.bench_jobs import canceled, cluster, wait_for, wait_running
from sabotnb.cli.bench.recovery.case_measurements import Measurement, RecoveryCase, Run

KEYS = 1000
UPDATE_EVERY = "100ms"
STEADY_SECONDS = 4.0
"""Of results before the loss, which say how late they normally are."""
QUIET_SECONDS = 3.0
"""It has caught up when no result has been late for so long."""
TOLERATED_SECONDS = 0.25
"""A result is late if it is later than normal by more than this."""

Targets = tuple[float, float | None]
"""Seconds to the first new result, and until results are on time again."""


class Arrival(NamedTuple):
    """A batch of results: when it arrived, and how far its newest row was behind the clock then."""

    at: float
    late: float


def cases(folder: Path, per_second: int) -> list[RecoveryCase]:
    """A killed worker, and one that hangs."""
    return [
        RecoveryCase(
            sent.name,
            f"of one of two workers at {per_second:,} rows/s",
            partial(_open, folder, per_second, sent, targets),
            weight,
        )
        for sent, targets, weight in (
            (signal.SIGKILL, (2.0, 5.0), 1.0),
            (signal.SIGSTOP, (15.0, None), 1.5),
        )
    ]


@contextmanager
def _open(folder: Path, per_second: int, sent: signal.Signals, targets: Targets) -> Iterator[Run]:
    yield lambda: _lost(folder, per_second, sent, targets)


def _lost(folder: Path, per_second: int, sent: signal.Signals, targets: Targets) -> list[Measurement]:
    arrivals: list[Arrival] = []
    lock = threading.Lock()

    def note(batch: pa.RecordBatch) -> None:
        now = time.time()
        newest = pc.max(batch.column("last")).cast(pa.int64()).as_py()
        with lock:
            arrivals.append(Arrival(now, now - newest / 1e6))

    def seen() -> list[Arrival]:
        with lock:
            return list(arrivals)

    ticks = sb.Stream.from_rate(per_second).select(k=col("value") % KEYS, time=col("time"))
    counts = ticks.group_by("k").agg(n=sb.count(), last=col("time").max()).named("counts", update_every=UPDATE_EVERY)
    with cluster(folder) as env:
        job = counts.sink_callback(note).run("bench-loss", checkpoint=sb.checkpoint("1s", storage=folder / "loss"))
        with canceled(job):
            wait_running(job)
            wait_for(lambda: len(job.checkpoints()) > 1, "checkpoints are stored")
            time.sleep(STEADY_SECONDS)
            pid = _pid_of_source(job, env)
            lost_at = time.time()
            os.kill(pid, sent)
            try:
                wait_for(lambda: job.status.restarts > 0, "the job starts again")
                wait_running(job)
                restarted_at = time.time()
                wait_for(
                    lambda: recovered(seen(), lost_at, restarted_at, time.time()) is not None,
                    "results are on time again",
                )
                first, caught_up = recovered(seen(), lost_at, restarted_at, time.time()) or (math.inf, math.inf)
            finally:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    return [
        Measurement("first new result", first, "s", targets[0]),
        Measurement("caught up", caught_up, "s", targets[1]),
        Measurement("normally late", normally_late(seen(), lost_at), "s"),
    ]


def _pid_of_source(job: sb.Job, env: sb.Env) -> int:
    """The process of the agent that runs the source: losing it stops all results."""
    tasks = job.metrics()
    agent = tasks["agent"].iloc[0]
    slots = env.slots()
    return int(slots.loc[slots["agent"] == agent, "pid"].iloc[0])


def normally_late(arrivals: list[Arrival], lost_at: float) -> float:
    """How late a result was at most in the seconds before the loss."""
    return max(
        (arrival.late for arrival in arrivals if lost_at - STEADY_SECONDS < arrival.at <= lost_at),
        default=0.0,
    )


def recovered(arrivals: list[Arrival], lost_at: float, restarted_at: float, now: float) -> tuple[float, float] | None:
    """Seconds from the loss to the first new result, and to the first behind which none is late; None before that.

    The first new result ends the longest silence behind the loss: those before it were under way already. Only then
    is it known, so a result must have come since the job was seen running again.
    """
    after = [arrival for arrival in arrivals if arrival.at > lost_at]
    if not after or after[-1].at < restarted_at:
        return None
    begins = [lost_at, *(arrival.at for arrival in after)]
    silences = [later.at - earlier for earlier, later in zip(begins, after, strict=False)]
    first = max(range(len(after)), key=silences.__getitem__)
    limit = normally_late(arrivals, lost_at) + TOLERATED_SECONDS
    late = [number for number, arrival in enumerate(after) if arrival.late > limit]
    on_time = max(first, late[-1] + 1 if late else 0)
    if on_time >= len(after) or now - after[on_time].at < QUIET_SECONDS:
        return None
    return after[first].at - lost_at, after[on_time].at - lost_at
