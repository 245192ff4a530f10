"""Finds runs by name and epoch: current ones, waiting ones, and recent previous ones."""

from __future__ import annotations

from sabotnb.execution.job_run import JobRun

KEPT_RUNS = 50
"""How many previous runs are kept for their handles after a newer run of the name has begun."""


class Runs:
    """The ``current`` run of each name, in order of submission, the run that waits behind it, and previous runs."""

    def __init__(self) -> None:
        self.current: dict[str, JobRun] = {}
        self._former: dict[tuple[str, int], JobRun] = {}

    def get(self, name: str, epoch: int | None = None) -> JobRun | None:
        """The run with that epoch: current, waiting or previous; without ``epoch`` the current one."""
        job = self.current.get(name)
        if job is None or epoch in (None, job.epoch):
            return job
        if job.successor is not None and job.successor.epoch == epoch:
            return job.successor
        return self._former.get((name, epoch)) if epoch is not None else None

    def begin(self, job: JobRun) -> JobRun | None:
        """Make ``job`` the current run of its name; returns the previous one, if there is any."""
        old = self.current.pop(job.name, None)
        if old is not None:
            self.remember(old)
        self.current[job.name] = job
        return old

    def remember(self, over: JobRun) -> None:
        """Keep a run that is over for its handles, and drop the oldest beyond ``KEPT_RUNS``."""
        self._former[over.name, over.epoch] = over
        while len(self._former) > KEPT_RUNS:
            del self._former[next(iter(self._former))]
