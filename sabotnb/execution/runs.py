"""Finds runs: the current one of each job, the one that waits behind it, and recent previous ones."""

from __future__ import annotations

from sabotnb.execution.job_run import JobRun
from sabotnb.protocol import RunId, RunRef

KEPT_RUNS = 50
"""How many previous runs are kept for their handles after a newer run of the name has begun."""


class Runs:
    """The ``current`` run of each name, in order of submission, the run that waits behind it, and previous runs."""

    def __init__(self) -> None:
        self.current: dict[str, JobRun] = {}
        self._previous: dict[RunId, JobRun] = {}

    def get(self, run: RunRef) -> JobRun | None:
        """The run with that id, be it current, waiting or previous; None if it is not known.

        A previous run is known as long as its job is.
        """
        if isinstance(run, str):
            return self.current.get(run)
        job = self.current.get(run.job)
        if job is None or job.id == run:
            return job
        if job.successor is not None and job.successor.id == run:
            return job.successor
        return self._previous.get(run)

    def begin(self, job: JobRun) -> JobRun | None:
        """Make ``job`` the current run of its name; returns the previous one, if there is any."""
        old = self.current.pop(job.name, None)
        if old is not None:
            self.remember(old)
        self.current[job.name] = job
        return old

    def remember(self, over: JobRun) -> None:
        """Keep a run that is over for its handles, and drop the oldest beyond ``KEPT_RUNS``."""
        self._previous[over.id] = over
        while len(self._previous) > KEPT_RUNS:
            del self._previous[next(iter(self._previous))]
