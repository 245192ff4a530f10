"""Simulate agents around a ``Machine`` in one process, and record every instruction."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from sabotnb.execution import Machine
from sabotnb.protocol import (
    AgentDown,
    AgentInfo,
    AgentUp,
    Cancel,
    CancelTasks,
    ChainedOperator,
    Commit,
    Committed,
    CutAcked,
    Deploy,
    DropResults,
    EpochGranted,
    Event,
    Fail,
    Fence,
    GrantEpoch,
    JobRequest,
    Pause,
    Reply,
    Resume,
    SessionChanged,
    SetTimer,
    Stop,
    Store,
    Stored,
    Submit,
    TakeCut,
    TaskChanged,
    TaskSnapshot,
    TaskState,
    Tell,
    UserCommand,
)
from sabotnb.protocol.failure import Failure
from sabotnb.protocol.ids import RunRef
from sabotnb.protocol.job_topology import JobTopology, JobVertex

COMMANDS = {
    "cancel": Cancel,
    "stop": Stop,
    "pause": Pause,
    "resume": Resume,
    "fail": Fail,
    "drop results": DropResults,
}


def agent(number: int, slots: int = 4, **more) -> AgentInfo:
    return AgentInfo(id=f"agent-{number}", address=f"tcp://host:{number}", host="host", pid=number, slots=slots, **more)


def request(name="job", vertices=(("work", 2),), edges=(), owner="me", fingerprint="f", **more) -> JobRequest:
    """A request for vertices, each a ``JobVertex`` or its id and parallelism; its operator has its id by default."""
    known = (vertex if isinstance(vertex, JobVertex) else JobVertex(*vertex) for vertex in vertices)
    known = (v if v.operators else replace(v, operators=(ChainedOperator(v.id, "map"),)) for v in known)
    return JobRequest(name, owner, fingerprint, execution={}, topology=JobTopology.of(known, edges), **more)


class Simulator:
    """Feeds a machine whose agents follow each instruction at once; ``silent`` agents do so at ``speak``.

    ``running`` are the tasks that were opened and have not ended. They acknowledge a cut with their ``snapshots``,
    unless their agent is ``deaf``. The job store answers with ``refusal``, unless it is ``busy``; it ``grants`` epochs.
    """

    def __init__(self, agents: int = 2, slots: int = 4) -> None:
        self.machine = Machine()
        self.now = 0.0
        self.running = []
        self.told = []
        self.replies = {}
        self.timers = {}
        self.silent = set()
        self.snapshots = {}
        self.deaf = set()
        self.refusal = None
        self.busy = False
        self.grants = True
        self.unheeded = []
        for number in range(1, agents + 1):
            self.feed(AgentUp(agent(number, slots)))

    def feed(self, event: Event) -> None:
        events = deque([event])
        while events:
            for instruction in self.machine.handle(self.now, events.popleft()):
                self.told.append(instruction)
                assert self._can_follow(instruction), f"{instruction} is for an agent that is lost"
                if getattr(instruction, "agent", None) in self.silent:
                    self.unheeded.append(instruction)
                else:
                    events.extend(self._follow(instruction))

    def _can_follow(self, instruction) -> bool:
        """False for work that is given to an agent that is lost; what ends its tasks may still be sent to it."""
        ends = isinstance(instruction, Tell) and isinstance(instruction.command, CancelTasks | Fence)
        return ends or getattr(instruction, "agent", None) in (None, *self.machine.agents)

    def speak(self, agent: str) -> None:
        """Let a silent agent follow the instructions that it received meanwhile."""
        self.silent.discard(agent)
        for instruction in [pending for pending in self.unheeded if pending.agent == agent]:
            self.unheeded.remove(instruction)
            for event in list(self._follow(instruction)):
                self.feed(event)

    def _follow(self, instruction):
        match instruction:
            case Deploy(who, deployment):
                self.running += [(who, attempt) for attempt in deployment.attempts]
                yield from (TaskChanged(who, attempt, TaskState.RUNNING) for attempt in deployment.attempts)
            case Tell(who, CancelTasks(run, epoch)):
                mine = [
                    entry
                    for entry in self.running
                    if entry[0] == who and (entry[1].run, entry[1].epoch) == (run, epoch)
                ]
                self.running = [entry for entry in self.running if entry not in mine]
                yield from (TaskChanged(who, attempt, TaskState.CANCELED) for _, attempt in mine)
            case Tell(who, TakeCut(run, epoch, cut)) if who not in self.deaf:
                yield from (
                    CutAcked(who, attempt, cut.id, self.snapshots.get(attempt.task, TaskSnapshot()))
                    for agent_id, attempt in list(self.running)
                    if agent_id == who and (attempt.run, attempt.epoch) == (run, epoch)
                )
            case Store(stored) if not self.busy:
                yield Stored(stored.run, stored.epoch, stored.cut, self.refusal)
            case GrantEpoch(run, epoch) if self.grants:
                yield EpochGranted(run, epoch)
            case Commit(who, run, epoch, action, cut=cut):
                yield Committed(who, run, epoch, action, cut=cut)
            case Reply(command, value, failure):
                self.replies[command] = failure or value
            case SetTimer(event, at):
                self.timers[event] = at

    def command(self, kind: str, run: RunRef, *args):
        """Feed a command about a run and return the answer."""
        return self._answer(COMMANDS[kind](f"{kind}-{len(self.replies)}", run, *args))

    def submit(self, job: JobRequest):
        self.feed(SessionChanged(job.owner, connected=True))
        return self._answer(Submit(f"submit-{len(self.replies)}", job))

    def _answer(self, command: UserCommand):
        self.feed(command)
        return self.replies[command.id]

    def finish(self, job: str = "job") -> None:
        for who, attempt in [entry for entry in self.running if entry[1].run.job == job]:
            self.running.remove((who, attempt))
            self.feed(TaskChanged(who, attempt, TaskState.FINISHED))

    def fire(self, kind: type) -> None:
        """Advance the time until every timer of this kind has fired."""
        for event, at in sorted(self.timers.items(), key=lambda entry: entry[1]):
            if isinstance(event, kind):
                del self.timers[event]
                self.now = max(self.now, at)
                self.feed(event)

    def fail(self, job: str = "job", message: str = "boom", error: str = "UserFunctionError") -> None:
        who, attempt = next(entry for entry in self.running if entry[1].run.job == job)
        self.running.remove((who, attempt))
        self.feed(TaskChanged(who, attempt, TaskState.FAILED, Failure(error, message)))

    def lose(self, number: int) -> None:
        lost = f"agent-{number}"
        self.silent.discard(lost)
        self.running = [entry for entry in self.running if entry[0] != lost]
        self.unheeded = [pending for pending in self.unheeded if pending.agent != lost]
        self.feed(AgentDown(f"agent-{number}", "connection closed"))

    def state(self, job: str = "job") -> str:
        return self.machine.jobs[job].state.value

    def told_to(self, kind: type) -> list:
        return [told for told in self.told if isinstance(told, kind)]
