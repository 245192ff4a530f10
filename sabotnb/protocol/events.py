"""Events, which the machine receives: what agents report, what the scheduler notices, and timers, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sabotnb.metrics import TaskCounters
from sabotnb.protocol.checkpoints import TaskSnapshot
from sabotnb.protocol.client_commands import UserCommand
from sabotnb.protocol.failure import Failure
from sabotnb.protocol.ids import Attempt, RunId
from sabotnb.protocol.job_states import TaskState
from sabotnb.protocol.operator import Committable


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
    """An agent has registered."""

    agent: AgentInfo


@dataclass(frozen=True, slots=True)
class AgentDown:
    """The connection of an agent is closed, or its process has registered under another id."""

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
    """A task has passed a cut, and all that ``snapshot`` refers to is durable.

    ``counters`` and (rows, bytes) ``sent`` by edge are what it had counted at the cut.
    """

    agent: str
    attempt: Attempt
    cut: int
    snapshot: TaskSnapshot
    counters: TaskCounters = field(default_factory=TaskCounters)
    sent: Mapping[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CutFailed:
    """The state of a task could not be written: the checkpoint is abandoned, the run goes on."""

    agent: str
    attempt: Attempt
    cut: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class SourceWarned:
    """A source has found a fault in its data, such as rows out of order; it goes on. ``kind`` names the fault.

    Each task of the source reports a kind of fault once; it is logged once for ``operator`` and run.
    """

    agent: str
    attempt: Attempt
    operator: str
    kind: str
    message: str


TaskReport = TaskChanged | SplitWanted | SourceWarned | CutAcked | CutFailed
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
    """An agent has committed, checked or aborted the output of a run; with ``cut``, only that prepared up to the cut.

    ``saved`` is a sentence that says where an abort has saved output; empty if it has saved none.
    """

    agent: str
    run: RunId
    epoch: int
    action: str
    failure: Failure | None = None
    cut: int | None = None
    saved: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """The job store has a cut of a run, or with ``failure`` it has not: the checkpoint does not exist then."""

    run: RunId
    epoch: int
    cut: int
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class EpochGranted:
    """No other process can begin ``epoch`` of a run; with ``failure`` the job store does not answer yet."""

    run: RunId
    epoch: int
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
    | EpochGranted
    | RunTakenOver
    | PeerLost
    | SessionChanged
    | TimerEvent
    | UserCommand
)
