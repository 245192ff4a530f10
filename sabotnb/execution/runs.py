"""Every run that is known, by name and epoch."""

from __future__ import annotations

from sabotnb.execution.job_run import JobRun

KEPT_RUNS = 50
"""Runs that are remembered for their handles although another run of the name has begun."""


class Runs:
    """The ``current`` run of each name, in order of submission; the one that waits behind it; and former ones."""

    def __init__(self) -> None:
        self.current: dict[str, JobRun] = {}
        self._former: dict[tuple[str, int], JobRun] = {}

    def get(self, name: str, epoch: int | None = None) -> JobRun | None:
        """That run, be it over or still waiting for a former one to end; without ``epoch`` the current one."""
        job = self.current.get(name)
        if job is None or epoch in (None, job.epoch):
            return job
        if job.successor is not None and job.successor.epoch == epoch:
            return job.successor
        return self._former.get((name, epoch)) if epoch is not None else None

    def begin(self, job: JobRun) -> JobRun | None:
        """Make ``job`` the current run of its name; gives the former one, if there is any."""
        old = self.current.pop(job.name, None)
        if old is not None:
            self.remember(old)
        self.current[job.name] = job
        return old

    def remember(self, over: JobRun) -> None:
        """Keep what is known of a run for its handles, as long as there are not too many."""
        self._former[over.name, over.epoch] = over
        while len(self._former) > KEPT_RUNS:
            del self._former[next(iter(self._former))]
