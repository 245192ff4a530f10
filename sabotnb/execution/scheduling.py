"""From a submitted run to its tasks in slots: who is given slots, in which order, and which runs are remembered."""

from __future__ import annotations

from collections.abc import Iterable

from sabotnb.execution.cluster_state import ClusterState
from sabotnb.execution.job_run import JobRun
from sabotnb.execution.placement import strategy
from sabotnb.execution.slots import assign
from sabotnb.protocol import Deploy, ForgetJob, Instruction, JobChanged, JobState, TaskState

KEPT_JOBS = 100
"""Finished jobs that are remembered for ``jobs()`` and ``attach``."""


class Scheduling:
    """Begins runs and gives slots to those that wait."""

    def __init__(self, state: ClusterState) -> None:
        self._state = state

    def begin(self, now: float, job: JobRun) -> Iterable[Instruction]:
        """Make ``job`` the current run of its name, and run it as soon as there are slots."""
        former = self._state.runs.begin(job)
        if former is not None:
            yield from self.forget(former)
        yield JobChanged(job.name, job.state)
        yield from self.place_pending(now)
        yield from self._drop_oldest()

    def place_pending(self, now: float) -> Iterable[Instruction]:
        """Give slots to the waiting jobs that fit, in order of submission.

        A run that does not fit blocks no other: beside an endless job it might wait forever, and all others with it.
        """
        pending = [job for job in self._state.jobs.values() if job.state is JobState.PENDING]
        for job in pending:
            job.version += 1  # what it waits for has changed
        for job in pending:
            requests = job.slot_requests
            slots = self._state.pool.request(job.name, requests, strategy(job.request.placement))
            if slots is None:
                continue
            job.place(assign(job.request.vertices, requests, slots))
            job.move(JobState.DEPLOYING, now)
            for task in job.tasks.values():
                job.move_task(task, TaskState.DEPLOYING)
            yield JobChanged(job.name, job.state)
            yield from (Deploy(agent, deployment) for agent, deployment in job.deployments(self._state.agents))

    def forget(self, job: JobRun) -> Iterable[Instruction]:
        """Let agents drop everything that they keep of a run that is over."""
        return self._state.tell_used(job, ForgetJob(job.name, job.epoch))

    def _drop_oldest(self) -> Iterable[Instruction]:
        over = [job for job in self._state.jobs.values() if job.state.terminal]
        for job in over[: max(0, len(over) - KEPT_JOBS)]:
            del self._state.jobs[job.name]
            yield from self.forget(job)
