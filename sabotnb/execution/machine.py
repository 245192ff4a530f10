"""The control plane as a pure state machine: an event and a time in, instructions out.

No clock, no sockets, no threads: the cluster room feeds it and does what it says; tests and the simulator feed it by
hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sabotnb.config import Config
from sabotnb.errors import StaleMessage
from sabotnb.execution import refusals
from sabotnb.execution.answers import said
from sabotnb.execution.job_run import JobRun, TaskVertex
from sabotnb.execution.leases import Leases
from sabotnb.execution.overview import Overview
from sabotnb.execution.placement import strategy
from sabotnb.execution.reporting import take_report
from sabotnb.execution.runs import Runs
from sabotnb.execution.slots import SlotPool, assign, slot_requests
from sabotnb.execution.transitions import TERMINAL_TASK
from sabotnb.protocol.control import (
    AgentDown,
    AgentInfo,
    AgentUp,
    CancelTasks,
    Command,
    Commit,
    Committed,
    Deploy,
    EndJob,
    Event,
    Fence,
    ForgetJob,
    Heartbeat,
    Instruction,
    JobChanged,
    JobRequest,
    JobState,
    MetricsReported,
    PauseSources,
    PeerLost,
    Reply,
    ResumeSources,
    SetTimer,
    StartSources,
    StopSources,
    TaskChanged,
    TaskState,
    Tell,
    TimerFired,
    UserCommand,
)
from sabotnb.protocol.failure import Failure

LEASE_TIMER = "leases"
LEASE_PERIOD = 1.0
KEPT_JOBS = 100
"""Finished jobs that are remembered for ``jobs()`` and ``attach``."""


def _one_more(epoch: int) -> int:
    return epoch + 1


class Machine:
    """Agents, slots and jobs of one cluster. ``next_epoch`` gives a greater one than it is given."""

    def __init__(self, config: Config | None = None, next_epoch: Callable[[int], int] = _one_more) -> None:
        config = config or Config()
        self.agents: dict[str, AgentInfo] = {}
        self._runs = Runs()
        self.jobs = self._runs.current
        self.pool = SlotPool()
        self.overview = Overview(self._runs, self.agents, self.pool)
        self._leases = Leases(config.agent_lost_seconds)
        self._lease_timer: float | None = None
        self._epoch = 0
        self._next_epoch = next_epoch
        self._handlers: dict[type[Event], Callable[[float, Any], Iterable[Instruction]]] = {
            AgentUp: self._agent_up,
            AgentDown: self._agent_down,
            Heartbeat: self._heartbeat,
            TaskChanged: self._task_changed,
            MetricsReported: self._metrics,
            Committed: self._committed,
            PeerLost: self._peer_lost,
            TimerFired: self._timer,
            UserCommand: self._user,
        }

    def handle(self, now: float, event: Event) -> list[Instruction]:
        """Take ``event`` at ``now`` (seconds of any steady clock) and say what to do about it, in order.

        Raises:
            StaleMessage: the event is about an attempt, epoch or agent that is over; nothing was changed.
            IllegalTransition: a task reports a move that is not legal; nothing was changed.
        """
        return list(self._handlers[type(event)](now, event))

    # Agents

    def _agent_up(self, now: float, event: AgentUp) -> Iterable[Instruction]:
        self.agents[event.agent.id] = event.agent
        self.pool.register_node(event.agent)
        self._leases.heard(event.agent.id, now)
        if self._lease_timer is None:
            yield self._arm_lease_timer(now)
        for job in self.jobs.values():
            if job.state is JobState.COMMITTING and job.committer is None:
                yield from self._publish(job, "commit")
        yield from self._schedule_pending(now)

    def _agent_down(self, now: float, event: AgentDown) -> Iterable[Instruction]:
        agent = self.agents.pop(event.agent, None)
        if agent is None:
            raise StaleMessage(f"agent {event.agent} is not registered (any more)")
        self._leases.forget(agent.id)
        self.pool.unregister_node(agent.id)
        failure = refusals.agent_lost(agent, event.reason)
        for job in list(self.jobs.values()):
            yield from self._lose_agent(now, job, agent.id, failure)
        yield from self._schedule_pending(now)

    def _lose_agent(self, now: float, job: JobRun, agent: str, failure: Failure) -> Iterable[Instruction]:
        lost = [task for task in job.tasks.values() if task.slot.agent == agent and task.state not in TERMINAL_TASK]
        for task in lost:
            job.move_task(task, TaskState.FAILED)
        if lost:
            if job.failure is not None and job.failure.error == failure.error:
                job.failure = failure  # so far only its peers said that they cannot reach it
            yield from self._fail(now, job, failure)
        elif job.committer == agent and not job.state.terminal:
            yield from self._publish(job, "commit" if job.state is JobState.COMMITTING else "abort")

    def _peer_lost(self, now: float, event: PeerLost) -> Iterable[Instruction]:
        if event.agent not in self.agents:
            raise StaleMessage(f"{event.agent} lost {event.peer}, but is given up itself")
        failure = refusals.connection_lost(event.agent, event.peer, event.reason)
        for job in list(self.jobs.values()):
            used = {task.slot.agent for task in job.tasks.values()}
            if event.peer in used and event.agent in job.agents():  # what finished tasks sent may be lost too
                yield from self._fail(now, job, failure)

    def _heartbeat(self, now: float, event: Heartbeat) -> Iterable[Instruction]:
        if event.agent not in self.agents:
            yield Tell(event.agent, Fence(event.agent))
            return
        self._leases.heard(event.agent, now)

    def _timer(self, now: float, event: TimerFired) -> Iterable[Instruction]:
        if event.name != LEASE_TIMER or self._lease_timer is None:
            raise StaleMessage(f"no timer {event.name!r} is set")
        self._leases.extend(max(0.0, now - self._lease_timer))
        for agent in self._leases.expired(now):
            reason = f"no heartbeat for {self._leases.duration:g} s"
            yield from self._agent_down(now, AgentDown(agent, reason))
        self._lease_timer = None
        if self.agents:
            yield self._arm_lease_timer(now)

    def _arm_lease_timer(self, now: float) -> SetTimer:
        self._lease_timer = now + LEASE_PERIOD
        return SetTimer(LEASE_TIMER, self._lease_timer)

    # Tasks

    def _task_changed(self, now: float, event: TaskChanged) -> Iterable[Instruction]:
        job, task = self._find(event)
        if task.state is TaskState.CANCELING and event.state is TaskState.RUNNING:
            return  # it was under way when the task was told to cancel
        job.move_task(task, event.state)
        job.committables.extend(event.committables)
        if event.counters is not None:
            task.end(event.counters, event.sent)
        if event.state is TaskState.FAILED:
            yield from self._fail(now, job, event.failure or refusals.unexplained(event.attempt))
        elif event.state is TaskState.CANCELED and job.state in (JobState.DEPLOYING, JobState.RUNNING):
            yield from self._fail(now, job, refusals.agent_lost(self.agents[event.agent], "it is shutting down"))
        elif job.state is JobState.DEPLOYING and job.all_in(TaskState.RUNNING, TaskState.FINISHED):
            job.move(JobState.RUNNING, now)
            yield JobChanged(job.name, job.state)
            if job.paused:
                yield from self._tell_running(job, PauseSources(job.name, job.epoch))
            yield from self._tell_running(job, StartSources(job.name, job.epoch))
        yield from self._wind_up(now, job)

    def _find(self, event: TaskChanged) -> tuple[JobRun, TaskVertex]:
        attempt = event.attempt
        job = self.jobs.get(attempt.task.job)
        task = job.tasks.get(attempt.task) if job else None
        fenced = event.agent not in self.agents
        if job is None or task is None or task.attempt != attempt or task.slot.agent != event.agent or fenced:
            raise StaleMessage(f"{event.agent} reports {event.state.value} of {attempt}, which is over")
        return job, task

    def _metrics(self, now: float, event: MetricsReported) -> Iterable[Instruction]:
        if event.agent in self.agents:
            self._leases.heard(event.agent, now)
        take_report(self.jobs, event, now)
        return ()

    # Jobs

    def _user(self, now: float, command: UserCommand) -> Iterable[Instruction]:
        if command.kind == "submit":
            yield from self._submit(now, command)
            return
        job = self.jobs.get(command.job)
        if job is None:
            yield Reply(command.id, failure=refusals.no_such_job(command.job, self.jobs))
            return
        wanted = command.args.get("epoch")
        meant = self._runs.get(job.name, wanted)
        sentence = said(command.kind, job.name, meant)
        if command.kind in ("cancel", "stop"):
            if job.successor is not None and wanted in (None, job.successor.epoch):
                job.withdraw_successor(now)
            if wanted in (None, job.epoch):  # else the run that is meant is over
                yield from self._cancel(now, job) if command.kind == "cancel" else self._stop(now, job)
        elif command.kind == "fail":
            if wanted == job.epoch and job.state in (JobState.DEPLOYING, JobState.RUNNING):
                yield from self._fail(now, job, command.args["failure"])
        elif command.kind in ("pause", "resume") and meant is not None:
            yield from self._pause(meant, command.kind == "pause")
        elif command.kind == "forget" and wanted in (None, job.epoch):
            yield from self._forget(job)
        yield Reply(command.id, value={"job": job.name, "epoch": job.epoch, "state": job.state.value, "said": sentence})

    def _submit(self, now: float, command: UserCommand) -> Iterable[Instruction]:
        request: JobRequest = command.args["request"]
        running = self._running(request.name)
        if running is not None and running.request.owner != request.owner:
            yield Reply(command.id, failure=refusals.name_held(running))
            return
        newest = (running.successor or running) if running else None
        if newest is not None and not newest.state.terminal and newest.request.fingerprint == request.fingerprint:
            yield Reply(command.id, value=self._submitted(newest, "attached"))
            return
        requests = slot_requests(request.vertices)
        if not self.pool.could_ever_fit(requests, strategy(request.placement)):
            yield Reply(command.id, failure=refusals.too_few_slots(request, requests, self.pool.statistics()))
            return
        self._epoch = self._next_epoch(self._epoch)
        job = JobRun(request, self._epoch, submitted=now, changed=now)
        yield Reply(command.id, value=self._submitted(job, "replaced" if running else "started"))
        if running is None:
            yield from self._start(now, job)
        else:
            yield from self._replace(now, running, job)

    def _replace(self, now: float, running: JobRun, job: JobRun) -> Iterable[Instruction]:
        """Let ``job`` run when ``running`` has ended; one that has waited for that never runs."""
        if running.successor is not None:
            running.successor.failure = running.successor.failure or refusals.replaced(job.name)
            running.withdraw_successor(now)
            self._runs.remember(running.successor)
        running.successor = job
        if running.state in (JobState.PENDING, JobState.DEPLOYING, JobState.RUNNING):
            running.failure = refusals.replaced(job.name)
        yield from self._cancel(now, running)

    def _running(self, name: str) -> JobRun | None:
        job = self.jobs.get(name)
        return None if job is None or job.state.terminal else job

    def _submitted(self, job: JobRun, how: str) -> dict[str, Any]:
        return {"job": job.name, "epoch": job.epoch, "how": how}

    def _start(self, now: float, job: JobRun) -> Iterable[Instruction]:
        old = self._runs.begin(job)
        if old is not None:
            yield from self._forget_on_agents(old)
        yield JobChanged(job.name, job.state)
        yield from self._schedule_pending(now)
        yield from self._drop_oldest()

    def _schedule_pending(self, now: float) -> Iterable[Instruction]:
        """Give slots to waiting jobs in order of submission; who does not fit makes those behind it wait."""
        pending = [job for job in self.jobs.values() if job.state is JobState.PENDING]
        for job in pending:
            job.version += 1  # what it waits for has changed
        for job in pending:
            requests = slot_requests(job.request.vertices)
            slots = self.pool.request(job.name, requests, strategy(job.request.placement))
            if slots is None:
                return
            job.place(assign(job.request.vertices, requests, slots))
            job.move(JobState.DEPLOYING, now)
            for task in job.tasks.values():
                job.move_task(task, TaskState.DEPLOYING)
            yield JobChanged(job.name, job.state)
            yield from (Deploy(agent, deployment) for agent, deployment in job.deployments(self.agents))

    def _fail(self, now: float, job: JobRun, failure: Failure) -> Iterable[Instruction]:
        """Take down what still runs; the first failure is the job's."""
        job.failure = job.failure or failure
        if job.state in (JobState.DEPLOYING, JobState.RUNNING, JobState.COMMITTING):
            job.move(JobState.FAILING, now)
            yield JobChanged(job.name, job.state)
            yield from self._cancel_tasks(job)
        yield from self._wind_up(now, job)

    def _cancel(self, now: float, job: JobRun) -> Iterable[Instruction]:
        if job.state is JobState.PENDING:
            job.move(JobState.CANCELED, now)
            yield from self._end(now, job)
        elif job.state in (JobState.DEPLOYING, JobState.RUNNING):
            job.move(JobState.CANCELING, now)
            yield JobChanged(job.name, job.state)
            yield from self._cancel_tasks(job)

    def _cancel_tasks(self, job: JobRun) -> Iterable[Instruction]:
        agents = job.agents()
        for task in job.tasks.values():
            if task.state in (TaskState.DEPLOYING, TaskState.RUNNING):
                job.move_task(task, TaskState.CANCELING)
        yield from (Tell(agent, CancelTasks(job.name, job.epoch)) for agent in agents)

    def _stop(self, now: float, job: JobRun) -> Iterable[Instruction]:
        if job.state is JobState.PENDING:
            yield from self._cancel(now, job)
        elif job.state in (JobState.DEPLOYING, JobState.RUNNING):
            job.stopping, job.paused = True, False
            job.version += 1
            yield from self._tell_running(job, StopSources(job.name, job.epoch))
            yield JobChanged(job.name, job.state)

    def _pause(self, job: JobRun, wanted: bool) -> Iterable[Instruction]:
        """Pause or resume. A job that has not begun is told when its sources would start."""
        pausable = job.state in (JobState.PENDING, JobState.DEPLOYING, JobState.RUNNING) and not job.stopping
        if not pausable or job.paused is wanted:
            return
        job.paused = wanted
        job.version += 1
        if job.state is JobState.RUNNING:
            order = PauseSources if wanted else ResumeSources
            yield from self._tell_running(job, order(job.name, job.epoch))
        yield JobChanged(job.name, job.state)

    def _wind_up(self, now: float, job: JobRun) -> Iterable[Instruction]:
        """When no task runs any more: publish what was written, or remove it."""
        if not job.over() or job.committer is not None:
            return
        if job.state is JobState.RUNNING and job.all_in(TaskState.FINISHED):
            if job.request.publishes:
                job.move(JobState.COMMITTING, now)
                yield JobChanged(job.name, job.state)
                yield from self._publish(job, "commit")
            else:
                job.move(JobState.FINISHED, now)
                yield from self._end(now, job)
        elif job.state in (JobState.FAILING, JobState.CANCELING):
            if job.request.publishes and self.agents:
                yield from self._publish(job, "abort")
            else:
                yield from self._removed(now, job)

    def _publish(self, job: JobRun, action: str) -> Iterable[Instruction]:
        """Let an agent commit or abort, best one that has run the job: it knows the job's graph and functions.

        Both are idempotent, so a lost agent's work is simply given to another.
        """
        candidates = [*(agent for agent in job.used_agents() if agent in self.agents), *self.agents]
        job.committer = candidates[0] if candidates else None
        if job.committer is None:
            return
        yield Commit(job.committer, job.name, job.epoch, action, job.request.execution, tuple(job.committables))

    def _committed(self, now: float, event: Committed) -> Iterable[Instruction]:
        job = self.jobs.get(event.job)
        if job is None or job.epoch != event.epoch or job.committer != event.agent:
            raise StaleMessage(f"{event.agent} reports {event.action} of {event.job!r}@{event.epoch}, which is over")
        if event.action == "abort":
            yield from self._removed(now, job)
        elif event.failure is not None:
            job.failure = event.failure
            job.committer = None
            job.move(JobState.FAILING, now)
            yield from self._wind_up(now, job)
        else:
            job.move(JobState.FINISHED, now)
            yield from self._end(now, job)

    def _removed(self, now: float, job: JobRun) -> Iterable[Instruction]:
        job.move(JobState.CANCELED if job.state is JobState.CANCELING else JobState.FAILED, now)
        yield from self._end(now, job)

    def _end(self, now: float, job: JobRun) -> Iterable[Instruction]:
        self.pool.release(job.name)
        yield JobChanged(job.name, job.state)
        yield from self._tell_used(job, EndJob(job.name, job.epoch))
        if job.successor is not None:
            yield from self._start(now, job.successor)
        else:
            yield from self._schedule_pending(now)

    def _forget(self, job: JobRun) -> Iterable[Instruction]:
        if job.state.terminal:
            yield from self._forget_on_agents(job)

    def _forget_on_agents(self, job: JobRun) -> Iterable[Instruction]:
        yield from self._tell_used(job, ForgetJob(job.name, job.epoch))

    def _tell_running(self, job: JobRun, command: Command) -> Iterable[Instruction]:
        return (Tell(agent, command) for agent in job.agents())

    def _tell_used(self, job: JobRun, command: Command) -> Iterable[Instruction]:
        return (Tell(agent, command) for agent in job.used_agents() if agent in self.agents)

    def _drop_oldest(self) -> Iterable[Instruction]:
        over = [job for job in self.jobs.values() if job.state.terminal]
        for job in over[: max(0, len(over) - KEPT_JOBS)]:
            del self.jobs[job.name]
            yield from self._forget_on_agents(job)
