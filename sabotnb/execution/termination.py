"""How runs end: canceled, failed or done, and what becomes of their output, which appears complete or not at all."""

from __future__ import annotations

from collections.abc import Iterable

from sabotnb.errors import StaleMessage
from sabotnb.execution import refusals
from sabotnb.execution.cluster_state import ClusterState
from sabotnb.execution.job_run import JobRun
from sabotnb.execution.scheduling import Scheduling
from sabotnb.protocol import (
    CancelTasks,
    Commit,
    Committed,
    EndJob,
    Failure,
    Instruction,
    JobChanged,
    JobState,
    SetTimer,
    TaskState,
    Tell,
)

COMMIT_TIMER = "commit "
"""Begins the name of the timer of a run that waits for an agent to commit its output; the run's epoch follows."""

LATE_SECONDS = 1.0
"""A timer that fires later than that by so much was held up with everything else, registrations of agents too."""

MOST_COMMITTERS = 5
"""A commit that costs so many agents their lives is not given to another."""


class Termination:
    """Takes runs down, lets agents publish or remove their output, and frees their slots."""

    def __init__(self, state: ClusterState, scheduling: Scheduling, commit_wait_seconds: float) -> None:
        self._state = state
        self._scheduling = scheduling
        self._commit_wait_seconds = commit_wait_seconds

    def fail(self, now: float, job: JobRun, failure: Failure) -> Iterable[Instruction]:
        """Take down what still runs. The first failure is the job's; a run that is being canceled has none."""
        if job.state in (JobState.DEPLOYING, JobState.RUNNING):
            job.failure = failure
            job.move(JobState.FAILING, now)
            yield JobChanged(job.name, job.state)
            yield from self._cancel_tasks(job)
        yield from self.wind_up(now, job)

    def cancel(self, now: float, job: JobRun) -> Iterable[Instruction]:
        """End a run that has not ended yet, at once."""
        if job.state is JobState.PENDING:
            job.move(JobState.CANCELED, now)
            yield from self._end(now, job)
        elif job.state in (JobState.DEPLOYING, JobState.RUNNING):
            job.move(JobState.CANCELING, now)
            yield JobChanged(job.name, job.state)
            yield from self._cancel_tasks(job)

    def wind_up(self, now: float, job: JobRun) -> Iterable[Instruction]:
        """When no task runs any more: publish what was written, or remove it."""
        if not job.over() or job.committer is not None:
            return
        if job.state is JobState.RUNNING and job.all_in(TaskState.FINISHED):
            if job.request.publishes:
                job.move(JobState.COMMITTING, now)
                yield JobChanged(job.name, job.state)
                yield from self.ask_committer(now, job)
            else:
                job.move(JobState.FINISHED, now)
                yield from self._end(now, job)
        elif job.state in (JobState.FAILING, JobState.CANCELING):
            yield from self.ask_committer(now, job)

    def ask_committer(self, now: float, job: JobRun) -> Iterable[Instruction]:
        """Let an agent publish the run's output, or remove it: best one that has run tasks of it and knows its graph.

        Both are idempotent, so what a lost agent had to do is simply given to another. Complete output waits for an
        agent if there is none, until a timer fires; hidden files that no agent can remove now are removed by the next
        run that writes there.
        """
        agents = self._state.agents
        candidates = [*(agent for agent in job.used_agents() if agent in agents), *agents]
        job.committer = candidates[0] if candidates and job.request.publishes else None
        action = _action(job)
        if job.committer is not None:
            yield Commit(job.committer, job.name, job.epoch, action, job.request.execution, tuple(job.committables))
        elif action == "abort":
            yield from self._removed(now, job)
        else:
            job.commit_deadline = now + self._commit_wait_seconds
            yield SetTimer(f"{COMMIT_TIMER}{job.epoch}", job.commit_deadline)

    def lose_committer(self, now: float, job: JobRun) -> Iterable[Instruction]:
        """The agent that was asked to commit or abort the output of ``job`` is gone: ask another one."""
        job.lost_committers += 1
        if job.state is JobState.COMMITTING and job.lost_committers >= MOST_COMMITTERS:
            yield from self._give_commit_up(now, job, f"{job.lost_committers} agents were lost while they published it")
        else:
            yield from self.ask_committer(now, job)

    def timer(self, now: float, name: str) -> Iterable[Instruction]:
        """The time is over in which an agent was to join that can commit the output of a run."""
        epoch = int(name.removeprefix(COMMIT_TIMER))
        for job in list(self._state.jobs.values()):
            if job.epoch != epoch or job.state is not JobState.COMMITTING or job.committer is not None:
                continue
            if now > job.commit_deadline + LATE_SECONDS:
                yield from self.ask_committer(now, job)
            else:
                waited = f"the last agent was lost, and none joined within {self._commit_wait_seconds:g} s"
                yield from self._give_commit_up(now, job, waited)

    def committed(self, now: float, event: Committed) -> Iterable[Instruction]:
        """An agent has published a run's output, failed to, or removed it."""
        job = self._state.jobs.get(event.job)
        asked = job is not None and job.epoch == event.epoch and job.committer == event.agent
        if job is None or not asked or job.state.terminal or event.action != _action(job):
            raise StaleMessage(f"{event.agent} reports {event.action} of {event.job!r}@{event.epoch}, which is over")
        if event.action == "abort":
            yield from self._removed(now, job)
        elif event.failure is not None:
            job.failure = event.failure
            job.committer = None
            job.move(JobState.FAILING, now)
            yield JobChanged(job.name, job.state)
            yield from self.wind_up(now, job)
        else:
            job.move(JobState.FINISHED, now)
            yield from self._end(now, job)

    def _cancel_tasks(self, job: JobRun) -> Iterable[Instruction]:
        agents = job.agents()
        for task in job.tasks.values():
            if task.state in (TaskState.DEPLOYING, TaskState.RUNNING):
                job.move_task(task, TaskState.CANCELING)
        yield from (Tell(agent, CancelTasks(job.name, job.epoch)) for agent in agents)

    def _give_commit_up(self, now: float, job: JobRun, cause: str) -> Iterable[Instruction]:
        job.failure = refusals.commit_given_up(job.name, cause)
        job.committer = None
        job.move(JobState.FAILED, now)
        yield from self._end(now, job)

    def _removed(self, now: float, job: JobRun) -> Iterable[Instruction]:
        job.move(JobState.CANCELED if job.state is JobState.CANCELING else JobState.FAILED, now)
        yield from self._end(now, job)

    def _end(self, now: float, job: JobRun) -> Iterable[Instruction]:
        self._state.pool.release(job.name)
        yield JobChanged(job.name, job.state)
        yield from self._state.tell_used(job, EndJob(job.name, job.epoch))
        if job.successor is not None:
            yield from self._scheduling.begin(now, job.successor)
        else:
            yield from self._scheduling.place_pending(now)


def _action(job: JobRun) -> str:
    """What an agent is asked to do with the output of a run that ends."""
    return "commit" if job.state is JobState.COMMITTING else "abort"
