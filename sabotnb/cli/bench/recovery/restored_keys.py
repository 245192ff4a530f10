"""How long a run that begins from a savepoint takes until all of its tasks run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import sabotnb as sb
from sabotnb.cli.bench.recovery.bench_jobs import canceled, cluster, wait_for, wait_running
from sabotnb.cli.bench.recovery.case_measurements import Measurement, RecoveryCase, Run
from sabotnb.cli.bench.recovery.keyed_draws import every_key_once, per_bidder

TARGET_SECONDS = 5.0
NAME = "bench-restore"


def cases(folder: Path, sizes: Sequence[int]) -> list[RecoveryCase]:
    """A case for each number of keys."""
    return [
        RecoveryCase(
            f"restore of {keys:,} keys",
            "from the call of run(start_from=savepoint) until the job is RUNNING",
            partial(_open, folder, keys),
            weight=0.5 + keys / 5_000_000,
        )
        for keys in sizes
    ]


@contextmanager
def _open(folder: Path, keys: int) -> Iterator[Run]:
    with cluster(folder):
        sink = per_bidder(every_key_once(keys))
        storage = folder / "restore"
        with canceled(_started(sink, storage)) as job:
            wait_running(job)
            wait_for(lambda: int(job.metrics()["rows_in"].max()) >= keys, f"{keys:,} keys were met")
            began = time.perf_counter()
            saved = job.stop(savepoint=True)
            stopped = time.perf_counter() - began
        assert saved is not None
        size = Measurement("savepoint", saved.cut.nbytes / 1e6, "MB")
        stop = Measurement("stop(savepoint=True)", stopped, "s")
        yield lambda: [*_restored(sink, storage, saved.path), stop, size]


def _started(sink: sb.Sink, storage: Path, saved: str | None = None) -> sb.Job:
    return sink.run(NAME, checkpoint=sb.checkpoint("1h", storage=storage), start_from=saved)


def _restored(sink: sb.Sink, storage: Path, saved: str) -> list[Measurement]:
    began = time.perf_counter()
    with canceled(_started(sink, storage, saved)) as job:
        return [Measurement("restore", wait_running(job) - began, "s", TARGET_SECONDS)]
