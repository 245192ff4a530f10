"""Control messages as plain data: events, which the machine receives, and instructions, which it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sabotnb.metrics import TaskCounters
from sabotnb.protocol.checkpoints import StoredCut, TaskRestore, TaskSnapshot
from sabotnb.protocol.client_commands import Reply, UserCommand
from sabotnb.protocol.elements import Cut
from sabotnb.protocol.failure import Failure
from sabotnb.protocol.ids import Attempt, ChannelEnd, RunId
from sabotnb.protocol.job_states import JobState, TaskState
from sabotnb.protocol.operator import Committable
from sabotnb.protocol.source import Split, SplitsLeft


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """The registration of an agent. ``id`` (``agent-3``) is new for every process, and never reused.

    ``endpoints`` are the addresses of its data server: ``unix`` (a path) and ``tcp`` (``host:port``), and the ``token``
    that peers need, which is why they are not part of the repr.
    """

    id: str
    address: str
    host: str
    pid: int
    slots: int
    resources: Mapping[str, float] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    endpoints: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class AgentUp:
    agent: AgentInfo


@dataclass(frozen=True, slots=True)
class AgentDown:
    agent: str
    reason: str


@dataclass(frozen=True, slots=True)
class AgentLeaving:
    """An agent is about to be removed: it receives no new tasks. ``reason`` explains the failure of tasks it has."""

    agent: str
    reason: str


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """An agent is alive. If it was already declared lost, the answer is ``Fence``.

    ``hanging`` are canceled attempts that are no longer waited for, although their threads still run.
    """

    agent: str
    hanging: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskChanged:
    """An agent reports a task's new state; with FINISHED its committables, with FAILED its failure.

    A terminal state comes with the final ``counters`` and (rows, bytes) ``sent`` by edge: no report follows it.
    """

    agent: str
    attempt: Attempt
    state: TaskState
    failure: Failure | None = None
    committables: tuple[Committable, ...] = ()
    counters: TaskCounters | None = None
    sent: Mapping[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SplitWanted:
    """A source task has little left to read: it asks for splits of about ``nbytes`` bytes."""

    agent: str
    attempt: Attempt
    nbytes: int


@dataclass(frozen=True, slots=True)
class CutAcked:
    """A task has passed a cut, and all that ``snapshot`` refers to is durable."""

    agent: str
    attempt: Attempt
    cut: int
    snapshot: TaskSnapshot


@dataclass(frozen=True, slots=True)
class CutFailed:
    """The state of a task could not be written: the checkpoint is abandoned, the run goes on."""

    agent: str
    attempt: Attempt
    cut: int
    failure: Failure


TaskReport = TaskChanged | SplitWanted | CutAcked | CutFailed
"""An event that a task reports."""


class Queue(NamedTuple):
    """The receiving end of a channel: bytes unread (``held``), and the credit that its sender has left.

    ``seconds`` is how long the receiving task takes to consume what it holds; None before that was measured.

    A tuple because each report may hold thousands of them.
    """

    edge: int
    sender: int
    """Index of the sending task."""
    held: int
    credit: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class MetricsReported:
    """Counters of an agent's tasks, sent twice a second. ``at`` is the agent's own steady clock, for rates."""

    agent: str
    counters: Mapping[Attempt, TaskCounters]
    edges: Mapping[tuple[Attempt, int], tuple[int, int]] = field(default_factory=dict)
    """(rows, bytes) sent by an attempt on an edge."""
    queues: Mapping[Attempt, tuple[Queue, ...]] = field(default_factory=dict)
    """By attempt, one queue for each of its channels that holds unread bytes."""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Committed:
    """An agent has committed (or aborted) the output of a run; with ``cut``, only what was prepared up to that cut."""

    agent: str
    run: RunId
    epoch: int
    action: str
    failure: Failure | None = None
    cut: int | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """The job store has a cut of a run, or with ``failure`` it has not: the checkpoint does not exist then."""

    run: RunId
    epoch: int
    cut: int
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class RunTakenOver:
    """Another process owns the run now: it ends here, and its output and checkpoints are the other's."""

    run: RunId
    failure: Failure


@dataclass(frozen=True, slots=True)
class PeerLost:
    """An agent's connection to a peer broke, and with it all channels between them; both may be alive."""

    agent: str
    peer: str
    reason: str


@dataclass(frozen=True, slots=True)
class SessionChanged:
    """A session that submits jobs has connected, or its last connection has ended; it may reconnect."""

    owner: str
    connected: bool


@dataclass(frozen=True, slots=True)
class LeasesDue:
    """A timer: it is time to look for agents that have been silent for too long."""


@dataclass(frozen=True, slots=True)
class CommitOverdue:
    """A timer: ``run`` has waited for an agent that commits its output for as long as it may."""

    run: RunId


@dataclass(frozen=True, slots=True)
class SessionOverdue:
    """A timer: the session ``owner`` had time to come back since its last connection ended."""

    owner: str


@dataclass(frozen=True, slots=True)
class RestartDue:
    """A timer: ``run``, which lost tasks in ``epoch``, may begin again."""

    run: RunId
    epoch: int


@dataclass(frozen=True, slots=True)
class RestartOverdue:
    """A timer: ``run``, which lost tasks in ``epoch``, has waited for slots for as long as it may."""

    run: RunId
    epoch: int


@dataclass(frozen=True, slots=True)
class CutDue:
    """A timer: it is time for the next checkpoint of ``run``."""

    run: RunId
    epoch: int


@dataclass(frozen=True, slots=True)
class CutOverdue:
    """A timer: a checkpoint of ``run`` is not complete after its timeout."""

    run: RunId
    epoch: int
    cut: int


TimerEvent = LeasesDue | CommitOverdue | SessionOverdue | RestartDue | RestartOverdue | CutDue | CutOverdue
"""An event that the machine asks for by ``SetTimer``."""


Event = (
    AgentUp
    | AgentLeaving
    | AgentDown
    | Heartbeat
    | TaskReport
    | MetricsReported
    | Committed
    | Stored
    | RunTakenOver
    | PeerLost
    | SessionChanged
    | TimerEvent
    | UserCommand
)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the tasks of a run are: by vertex the agent of each task index, and how to reach those agents.

    ``attempts`` are the numbers of their attempts, by vertex and task index as in ``tasks``.
    """

    tasks: Mapping[str, tuple[str, ...]]
    attempts: Mapping[str, tuple[int, ...]]
    agents: Mapping[str, AgentInfo]

    def end(self, vertex: str, index: int) -> ChannelEnd:
        """Return a task as the end of its channels."""
        return ChannelEnd(index, self.attempts[vertex][index])


@dataclass(frozen=True, slots=True)
class AssignSplits:
    """Splits for one source task, in the order in which it reads them, and what is left behind them."""

    attempt: Attempt
    splits: tuple[Split, ...]
    left: SplitsLeft

    @property
    def run(self) -> RunId:
        """The run that the task belongs to."""
        return self.attempt.run


@dataclass(frozen=True, slots=True)
class RaiseBound:
    """Splits of ``vertex`` were handed out, which raised the bound of those that are left."""

    run: RunId
    epoch: int
    vertex: str
    left: SplitsLeft


@dataclass(frozen=True, slots=True)
class Deployment:
    """Everything that one agent needs to run its tasks of one run: the graph, the placement and its own attempts.

    ``splits`` are those with which its source tasks begin. ``restores`` are what tasks are restored from; a run without
    a stored cut has none. ``storage`` is where the files of checkpoints are; None if the run takes none.
    """

    run: RunId
    epoch: int
    execution: Mapping[str, Any]
    placement: Placement
    attempts: tuple[Attempt, ...]
    splits: tuple[AssignSplits, ...] = ()
    restores: Mapping[Attempt, TaskRestore] = field(default_factory=dict)
    storage: str | None = None


@dataclass(frozen=True, slots=True)
class Deploy:
    """Start tasks: they open and report RUNNING, but their sources read nothing before ``StartSources``."""

    agent: str
    deployment: Deployment


@dataclass(frozen=True, slots=True)
class StartSources:
    """All tasks of the job are RUNNING: its sources may read."""

    run: RunId
    epoch: int


@dataclass(frozen=True, slots=True)
class CancelTasks:
    """End the job's tasks at once and report CANCELED for each."""

    run: RunId
    epoch: int


@dataclass(frozen=True, slots=True)
class StopSources:
    """End the sources now; rows already read are processed."""

    run: RunId
    epoch: int


@dataclass(frozen=True, slots=True)
class PauseSources:
    """Let sources read nothing until ``ResumeSources``; everything else continues, including cuts and timers."""

    run: RunId
    epoch: int


@dataclass(frozen=True, slots=True)
class ResumeSources:
    """Let paused sources continue at their positions."""

    run: RunId
    epoch: int


@dataclass(frozen=True, slots=True)
class TakeCut:
    """Let the sources of a run take ``cut`` between two polls, and tasks whose inputs have ended as soon as they can.

    With ``hold`` the sources read nothing after it until ``ResumeSources``.
    """

    run: RunId
    epoch: int
    cut: Cut
    hold: bool = False


@dataclass(frozen=True, slots=True)
class CutStored:
    """A cut is stored: tasks need not repeat the committables that they acknowledged it with, nor older ones."""

    run: RunId
    epoch: int
    cut: int


@dataclass(frozen=True, slots=True)
class EndRun:
    """The run has ended, its output is committed or aborted: drop functions and tables, keep results for clients."""

    run: RunId


@dataclass(frozen=True, slots=True)
class DropRun:
    """The run has ended and its results are not needed: drop results, functions and channels."""

    run: RunId


@dataclass(frozen=True, slots=True)
class Fence:
    """``agent`` was declared lost: its process drops every task and registers again under a new id.

    Every late heartbeat is answered, so a second ``Fence`` may arrive after the process has its new id. The process
    ignores it, because ``agent`` is the old id.
    """

    agent: str


Command = (
    StartSources
    | AssignSplits
    | RaiseBound
    | CancelTasks
    | StopSources
    | PauseSources
    | ResumeSources
    | TakeCut
    | CutStored
    | EndRun
    | DropRun
    | Fence
)


@dataclass(frozen=True, slots=True)
class Tell:
    agent: str
    command: Command


@dataclass(frozen=True, slots=True)
class Commit:
    """Commit or abort (``action``) a run's output; the agent runs its sinks' committers in a thread.

    With ``cut``, the run goes on: only the output that was prepared up to that stored cut becomes visible.
    ``continues`` is the cut of another run that this run began from, or the cut that this epoch was restored from if it
    is an older one than the last that may be committed: the output of later cuts is replaced, and no other.
    """

    agent: str
    run: RunId
    epoch: int
    action: str
    execution: Mapping[str, Any]
    committables: tuple[Committable, ...]
    cut: int | None = None
    continues: tuple[RunId, int] | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """Write ``stored`` to the job store, if this process still owns the run; ``Stored`` answers."""

    stored: StoredCut


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Feed ``event`` at ``at`` (the clock of ``handle``'s ``now``); replaces a timer of an equal event."""

    event: TimerEvent
    at: float


@dataclass(frozen=True, slots=True)
class JobChanged:
    """The job's state changed: wake the clients that wait for it."""

    job: str
    state: JobState


Instruction = Deploy | Tell | Commit | Store | SetTimer | Reply | JobChanged
