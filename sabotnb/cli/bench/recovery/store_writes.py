"""How long the job store takes to record a change."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sabotnb.cli.bench.recovery.case_measurements import Measurement, RecoveryCase, Run
from sabotnb.job_store import CutRecord, JobStore, written_location
from sabotnb.protocol import JobRequest, JobState, JobTopology, RunId

WRITES = 200
TARGET_MS = 5.0

RUN = RunId("bench-store", 1)


def cases(folder: Path) -> list[RecoveryCase]:
    """One case: a store in an SQLite file."""
    return [RecoveryCase("writes", f"{WRITES} writes to a job store in SQLite", partial(_open, folder), weight=0.2)]


@contextmanager
def _open(folder: Path) -> Iterator[Run]:
    store = JobStore.open(written_location(folder / "writes.db"))
    try:
        store.claim(RUN.job)
        store.begin(RUN, _request())
        numbers = iter(range(1, 1_000_000))
        yield lambda: [
            *_timed("state change", lambda: store.record(RUN, JobState.RUNNING, 1)),
            *_timed("checkpoint", lambda: store.store_cut(_cut(next(numbers)))),
        ]
    finally:
        store.close()


def _timed(what: str, write: Callable[[], None]) -> list[Measurement]:
    seconds = []
    for _ in range(WRITES):
        began = time.perf_counter()
        write()
        seconds.append(time.perf_counter() - began)
    seconds.sort()
    return [
        Measurement(f"{what}, median", statistics.median(seconds) * 1e3, "ms", TARGET_MS),
        Measurement(f"{what}, 95th percentile", seconds[int(len(seconds) * 0.95)] * 1e3, "ms"),
    ]


def _request() -> JobRequest:
    return JobRequest(RUN.job, "bench", "", {}, JobTopology({}))


def _cut(number: int) -> CutRecord:
    return CutRecord(RUN, 1, number, "checkpoint", "/storage", f"/storage/{number}/cut.json")
