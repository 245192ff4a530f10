"""Gives slots to submitted runs, deploys their tasks, and drops the oldest finished runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sabotnb.execution.cluster_state import ClusterState
from sabotnb.execution.job_run import JobRun
from sabotnb.execution.placement import SlotRequest, strategy
from sabotnb.execution.restoring import task_restores
from sabotnb.execution.slots import Slot, assign
from sabotnb.execution.split_handout import first_splits
from sabotnb.protocol import Deploy, DropRun, Instruction, JobChanged, JobState, TaskState

KEPT_JOBS = 100
"""How many ended jobs are kept for ``jobs()`` and ``attach``."""


class Scheduling:
    """Begins runs, and allocates slots to pending ones."""

    def __init__(self, state: ClusterState) -> None:
        self._state = state

    def begin(self, now: float, job: JobRun) -> Iterable[Instruction]:
        """Make ``job`` the current run of its name, and run it as soon as there are slots."""
        previous = self._state.runs.begin(job)
        if previous is not None:
            yield from self.forget(previous)
        yield JobChanged(job.name, job.state)
        yield from self.place_pending(now)
        yield from self._drop_oldest()

    def place_pending(self, now: float) -> Iterable[Instruction]:
        """Allocate slots to the pending and restarting runs that fit, in order of submission.

        A run that does not fit does not block later ones: next to an endless job it may wait forever.
        """
        pending = [job for job in self._state.jobs.values() if job.awaits_slots]
        for job in pending:
            job.version += 1  # the reason that it waits, which its status shows, has changed
        for job in pending:
            requests = job.slot_requests
            slots = self._state.pool.request(job.name, requests, strategy(job.request.placement))
            if slots is not None:
                yield from self._deploy(now, job, requests, slots)

    def place_shared(self, now: float, job: JobRun) -> Iterable[Instruction]:
        """Let the tasks of a run that starts again share the slots there are; nothing if there is no agent for them."""
        requests = job.slot_requests
        slots = self._state.pool.request_shared(job.name, requests, strategy(job.request.placement))
        if slots is not None:
            yield from self._deploy(now, job, requests, slots)

    def _deploy(
        self, now: float, job: JobRun, requests: Sequence[SlotRequest], slots: Sequence[Slot]
    ) -> Iterable[Instruction]:
        job.create_tasks(assign(job.topology.vertices.values(), requests, slots))
        job.shared_slots = len(set(slots)) if len(set(slots)) < len(slots) else None
        job.move(JobState.DEPLOYING, now)
        for task in job.tasks.values():
            job.move_task(task, TaskState.DEPLOYING)
        yield JobChanged(job.name, job.state)
        base = job.cuts.base
        restores = task_restores(base, job.topology, list(job.tasks)) if base is not None else {}
        deployments = job.deployments(self._state.agents, first_splits(job, restores), restores)
        yield from (Deploy(agent, deployment) for agent, deployment in deployments)

    def forget(self, job: JobRun) -> Iterable[Instruction]:
        """Tell agents to drop everything that they keep of a run that is over."""
        return self._state.tell_used(job, DropRun(job.id))

    def _drop_oldest(self) -> Iterable[Instruction]:
        over = [job for job in self._state.jobs.values() if job.state.terminal]
        for job in over[: max(0, len(over) - KEPT_JOBS)]:
            del self._state.jobs[job.name]
            yield from self.forget(job)
