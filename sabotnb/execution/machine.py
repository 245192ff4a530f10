"""The control plane as a pure state machine: an event and a time in, instructions out.

Theory of operation
-------------------
**Events and instructions.** ``handle(now, event)`` changes the state and returns the instructions to carry out, in
order. The machine has no clock, sockets or threads. ``cluster.machine_driver`` feeds it on the scheduler's event loop
and carries its instructions out; tests and the simulator feed it directly. Even time is an event, which ``SetTimer``
asks for. Agents' events are handled in this module, clients' commands in ``job_commands``, the allocation of slots in
``scheduling``, splits of sources in ``split_handout``, cuts in ``checkpoint_coordinator``, the end of a run in
``termination``. All of them share one ``ClusterState``.

**States of a run** (every legal move is in ``transitions``)::

    PENDING -> DEPLOYING -> RUNNING -> [COMMITTING] -> FINISHED
       |           +-----------+--> CANCELING -> CANCELED        a client canceled or replaced it
       |           +-----------+--> FAILING   -> FAILED          a task failed, an agent was lost
       |           +-----------+--> RESTARTING -> DEPLOYING      an agent was lost, and the run can begin again
       +--> CANCELED

COMMITTING leads to FAILING if the commit raised, or no agent can commit (see ``termination``).

A run is DEPLOYING until each of its tasks has reported RUNNING or FINISHED. Only then are its sources started, so that
no row flows while a task of the run may still fail to open. It stays in CANCELING or FAILING until no task runs any
more and its output is removed, and it holds all of its slots until it has ended.

**What may interleave.** One event is handled completely, its instructions included, before the next one. Between two
events anything may happen: an agent's reports arrive in its own order, but reports of different agents, commands,
timers and lost connections come in any order. Reports and commands also cross: a task reports RUNNING or FINISHED
while its cancel is on the way. Therefore every handler checks first whether its event is still about the present.

**Fences.** An event is stale if its agent is not registered, or its attempt, epoch or slot is not the current one.
``handle`` then raises ``StaleMessage`` and changes nothing. An agent that was declared lost may still run, for example
after its machine slept: it is never taken back. Its next heartbeat is answered by ``Fence``, upon which it drops its
tasks and registers under a new id. A task is named by its run, and run numbers grow with every submitted run, so a
message about an earlier run of the same name matches no task.

**Lost agents.** An agent is lost when its connection closes (``AgentDown``) or its lease expires. Its slots leave the
pool *before* its runs are taken down, because a run that ends lets pending runs take slots at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sabotnb.config import Config
from sabotnb.errors import StaleMessage
from sabotnb.execution import checkpoint_coordinator as coordinator
from sabotnb.execution import loss_messages, replies
from sabotnb.execution.cluster_state import ClusterState
from sabotnb.execution.cut_events import CutEvents
from sabotnb.execution.job_commands import Handler, JobCommands
from sabotnb.execution.job_run import JobRun
from sabotnb.execution.leases import Leases
from sabotnb.execution.reporting import take_report
from sabotnb.execution.scheduling import Scheduling
from sabotnb.execution.sessions import Sessions
from sabotnb.execution.split_handout import hand_out
from sabotnb.execution.starting import is_open, start
from sabotnb.execution.status.overview import Overview
from sabotnb.execution.termination import Termination
from sabotnb.execution.transitions import TERMINAL_TASK
from sabotnb.protocol import (
    AgentDown,
    AgentLeaving,
    AgentUp,
    CommitOverdue,
    Committed,
    EpochGranted,
    Event,
    Failure,
    Fence,
    Heartbeat,
    Instruction,
    JobRequest,
    JobState,
    LeasesDue,
    MetricsReported,
    PeerLost,
    RestartDue,
    RestartOverdue,
    RunTakenOver,
    SessionChanged,
    SessionOverdue,
    SetTimer,
    SplitWanted,
    TaskChanged,
    TaskState,
    Tell,
)

LEASE_PERIOD = 1.0


def _one_more(number: int) -> int:
    return number + 1


class Machine:
    """The agents, slots and jobs of one cluster. ``next_number`` returns a run number greater than its argument."""

    def __init__(self, config: Config | None = None, next_number: Callable[[int], int] = _one_more) -> None:
        self._state = state = ClusterState()
        self.agents, self.jobs, self.pool = state.agents, state.jobs, state.pool
        self.overview = Overview(state)
        self._scheduling = Scheduling(state)
        config = config or Config()
        self._ending = Termination(state, self._scheduling, config)
        self._sessions = Sessions(state, self._ending, config.session_lost_seconds)
        self._commands = JobCommands(state, self._scheduling, self._ending, next_number)
        self._leases = Leases(config.agent_lost_seconds)
        self._lease_timer: float | None = None
        self._leaving: dict[str, str] = {}
        self._handlers: dict[type[Event], Handler] = {
            AgentUp: self._agent_up,
            AgentLeaving: self._agent_leaving,
            AgentDown: self._agent_down,
            Heartbeat: self._heartbeat,
            TaskChanged: self._task_changed,
            SplitWanted: self._split_wanted,
            MetricsReported: self._metrics,
            Committed: self._ending.committed,
            EpochGranted: self._ending.epoch_granted,
            RunTakenOver: self._ending.taken_over,
            PeerLost: self._peer_lost,
            SessionChanged: self._sessions.changed,
            LeasesDue: self._leases_due,
            CommitOverdue: self._ending.overdue,
            SessionOverdue: self._sessions.overdue,
            RestartDue: self._ending.restart_due,
            RestartOverdue: self._ending.restart_overdue,
            **CutEvents(state, self._ending).handlers(),
            **self._commands.handlers(),
        }

    def refusal(self, request: JobRequest) -> Failure | None:
        """The reason that ``request`` cannot begin a run, also when nothing else runs; None if it can."""
        return self._commands.refusal(request)

    def held(self, name: str, owner: str) -> Failure | None:
        """The failure of ``owner``, a session, to use the name of a job; None if it can."""
        return self._commands.held(name, owner)

    def continuable(self, request: JobRequest) -> JobRun | None:
        """The running job of the same name if ``request``, which is not the same, can go on from its state."""
        return self._commands.continuable(request)

    def handle(self, now: float, event: Event) -> list[Instruction]:
        """Apply ``event`` at ``now`` (seconds of any steady clock) and return the instructions that follow, in order.

        Raises:
            StaleMessage: the event concerns an attempt, epoch or agent that is over; nothing was changed.
            IllegalTransition: a task reports a move that is not legal; nothing was changed.
        """
        # handlers are generators, which change the state while they are consumed: always run them to their end
        return list(self._handlers[type(event)](now, event))

    # Agents

    def _agent_up(self, now: float, event: AgentUp) -> Iterable[Instruction]:
        self.agents[event.agent.id] = event.agent
        self.pool.register_node(event.agent)
        self._leases.heard(event.agent.id, now)
        if self._lease_timer is None:
            yield self._arm_lease_timer(now)
        for job in list(self.jobs.values()):
            if job.awaits_committer:  # the last agent was lost
                yield from self._ending.ask_committer(now, job)
        yield from self._scheduling.place_pending(now)
        for job in list(self.jobs.values()):
            yield from self._ending.await_slots(now, job)

    def _agent_leaving(self, _now: float, event: AgentLeaving) -> Iterable[Instruction]:
        if event.agent not in self.agents:
            raise StaleMessage(f"agent {event.agent} is not registered (any more)")
        self.pool.close_node(event.agent)
        self._leaving[event.agent] = event.reason
        return ()

    def _agent_down(self, now: float, event: AgentDown) -> Iterable[Instruction]:
        agent = self.agents.get(event.agent)
        if agent is None:
            raise StaleMessage(f"agent {event.agent} is not registered (any more)")
        yield from self._give_up(now, {agent.id: self._loss(agent.id, event.reason)})

    def _loss(self, agent: str, reason: str) -> Failure:
        """The loss of an agent; if it was to leave, it says why."""
        left = self._leaving.get(agent)
        lost = self.agents[agent]
        return loss_messages.agent_taken_away(lost, left) if left else loss_messages.agent_lost(lost, reason)

    def _give_up(self, now: float, failures: Mapping[str, Failure]) -> Iterable[Instruction]:
        """Declare agents lost, each with its reason."""
        # all of them before the runs: a run that ends gives its slots to pending runs, and its commit to another agent,
        # and neither may go to an agent that is declared lost in the same moment
        taken_away = self._leaving.keys() & failures.keys()
        for agent in failures:
            for known in (self.agents, self._leaving, self._state.hanging):
                known.pop(agent, None)
            self._leases.forget(agent)
            self.pool.unregister_node(agent)
        for agent, failure in failures.items():
            for job in list(self.jobs.values()):
                yield from self._lose_agent(now, job, agent, failure, blamed=agent not in taken_away)
        yield from self._scheduling.place_pending(now)

    def _lose_agent(
        self, now: float, job: JobRun, agent: str, failure: Failure, *, blamed: bool
    ) -> Iterable[Instruction]:
        if job.alive[agent]:
            suspects = job.functions_on(agent) if blamed else frozenset()
            for task in job.tasks.values():
                if task.slot.agent == agent and task.state not in TERMINAL_TASK:
                    job.move_task(task, TaskState.FAILED)
            yield from self._ending.fail(now, job, failure, suspects)
        if job.committer == agent:
            yield from self._ending.lose_committer(now, job)

    def _peer_lost(self, now: float, event: PeerLost) -> Iterable[Instruction]:
        if event.agent not in self.agents:
            raise StaleMessage(f"{event.agent} reported losing {event.peer} after being declared lost itself")
        failure = loss_messages.connection_lost(event.agent, event.peer, event.reason)
        for job in list(self.jobs.values()):
            if job.alive[event.agent] and job.runs_on(event.peer):
                yield from self._ending.fail(now, job, failure)

    def _heartbeat(self, now: float, event: Heartbeat) -> Iterable[Instruction]:
        if event.agent not in self.agents:  # declared lost, but alive: its slots and runs are gone already
            yield Tell(event.agent, Fence(event.agent))
            return
        self._leases.heard(event.agent, now)
        self._state.hanging[event.agent] = event.hanging

    def _leases_due(self, now: float, _event: LeasesDue) -> Iterable[Instruction]:
        if self._lease_timer is None:
            raise StaleMessage("no timer for leases is set")
        # a late timer means a busy scheduler, in which heartbeats were queued too: that time does not count
        self._leases.extend(max(0.0, now - self._lease_timer))
        silent = self._leases.expired(now)
        if silent:
            duration = self._leases.duration
            lost = {agent: loss_messages.agent_silent(self.agents[agent], duration) for agent in silent}
            yield from self._give_up(now, lost)
        self._lease_timer = None
        if self.agents:
            yield self._arm_lease_timer(now)

    def _arm_lease_timer(self, now: float) -> SetTimer:
        self._lease_timer = now + LEASE_PERIOD
        return SetTimer(LeasesDue(), self._lease_timer)

    # Tasks

    def _task_changed(self, now: float, event: TaskChanged) -> Iterable[Instruction]:
        job, task = self._state.find_task(event.agent, event.attempt, f"reports {event.state.value} of")
        if task.state is TaskState.CANCELING and event.state is TaskState.RUNNING:
            return  # the report was under way when the task was told to cancel
        job.move_task(task, event.state)
        task.committables = event.committables
        if event.counters is not None:
            task.end(event.counters, event.sent)
        if event.state is TaskState.CANCELED and event.failure is not None:
            job.note = job.note or event.failure.message
        if event.state is TaskState.FAILED:
            yield from self._ending.fail(now, job, event.failure or replies.unexplained(event.attempt))
        elif event.state is TaskState.CANCELED and _asked_for_no_cancel(job):
            # so the agent's process is ending
            yield from self._ending.fail(now, job, self._loss(event.agent, "it is shutting down"), frozenset())
        elif is_open(job):
            yield from self._ending.commit_next(now, job)
            yield from start(now, job)
        elif event.state is TaskState.FINISHED:
            yield from coordinator.task_ended(now, job, event.attempt.task)
        yield from self._ending.wind_up(now, job)

    def _split_wanted(self, _now: float, event: SplitWanted) -> Iterable[Instruction]:
        job, task = self._state.find_task(event.agent, event.attempt, "asks for splits of")
        return hand_out(job, event) if task.state is TaskState.RUNNING else ()

    def _metrics(self, now: float, event: MetricsReported) -> Iterable[Instruction]:
        if event.agent in self.agents:
            self._leases.heard(event.agent, now)
        take_report(self.jobs, event, now)
        return ()


def _asked_for_no_cancel(job: JobRun) -> bool:
    return job.state in (JobState.DEPLOYING, JobState.RUNNING)
