"""Clusters and running jobs of the cases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sabotnb as sb
from sabotnb.errors import JobCanceled
from sabotnb.protocol import JobState

WORKERS = 2
SLOTS = 8
WAIT_SECONDS = 120.0
LOOK_SECONDS = 0.01


@contextmanager
def cluster(folder: Path) -> Iterator[sb.Env]:
    """Two workers, with a job store in ``folder``."""
    with sb.local(workers=WORKERS, slots=SLOTS, store=folder / "jobs.db") as env:
        yield env


@contextmanager
def canceled(job: sb.Job) -> Iterator[sb.Job]:
    """Cancel ``job`` in the end, if it still runs."""
    try:
        yield job
    finally:
        if not is_over(job):
            job.cancel()
            with suppress(JobCanceled):
                job.wait(timeout=WAIT_SECONDS)


def is_over(job: sb.Job) -> bool:
    """True if ``job`` has ended, however."""
    return JobState(job.status.state).terminal


def wait_for(condition: Callable[[], bool], what: str) -> float:
    """Wait until ``condition`` holds, and return the time (``perf_counter``); TimeoutError if it never does."""
    deadline = time.perf_counter() + WAIT_SECONDS
    while not condition():
        if time.perf_counter() > deadline:
            raise TimeoutError(f"waited {WAIT_SECONDS:g} s in vain until {what}")
        time.sleep(LOOK_SECONDS)
    return time.perf_counter()


def wait_running(job: sb.Job) -> float:
    """Wait until all tasks run; raises what ended the job."""

    def runs() -> bool:
        if is_over(job):
            job.wait(timeout=1)
        return job.status.state == JobState.RUNNING.value

    return wait_for(runs, f"job {job.name!r} is running")
