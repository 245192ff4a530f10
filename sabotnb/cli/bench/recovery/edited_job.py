"""How long a job that goes on with changed code takes from its old graph to its new one.

The filter behind the aggregate changes, so all of the state is kept. The call stops the running job with a savepoint
and waits until the new tasks run: no source reads meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import sabotnb as sb
from sabotnb.cli.bench.recovery.bench_jobs import canceled, cluster, wait_for, wait_running
from sabotnb.cli.bench.recovery.case_measurements import Measurement, RecoveryCase, Run
from sabotnb.cli.bench.recovery.keyed_draws import every_key_once, per_bidder

TARGET_SECONDS = 1.0
NAME = "bench-edit"


def cases(folder: Path, keys: int) -> list[RecoveryCase]:
    """The only case."""
    return [
        RecoveryCase(
            f"edit at {keys:,} keys",
            "from the call of run() with a changed filter until the job is RUNNING",
            partial(_open, folder, keys),
        )
    ]


@contextmanager
def _open(folder: Path, keys: int) -> Iterator[Run]:
    with cluster(folder):
        policy = sb.checkpoint("1h", storage=folder / "edit")
        limits = count(0, -1)
        stream = every_key_once(keys)
        with canceled(per_bidder(stream, below=next(limits)).run(NAME, checkpoint=policy)) as job:
            wait_running(job)
            wait_for(lambda: int(job.metrics()["rows_in"].max()) >= keys, f"{keys:,} keys were met")
            yield lambda: _edited(per_bidder(stream, below=next(limits)), policy)
            with canceled(sb.attach(NAME)):
                pass


def _edited(sink: sb.Sink, policy: sb.Checkpointing) -> list[Measurement]:
    began = time.perf_counter()
    job = sink.run(NAME, checkpoint=policy)
    return [Measurement("edit", wait_running(job) - began, "s", TARGET_SECONDS)]
