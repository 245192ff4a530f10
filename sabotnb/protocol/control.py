"""What the control plane says and hears: events into the machine, instructions out of it. Plain data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from sabotnb.metrics import TaskCounters
from sabotnb.protocol.failure import Failure
from sabotnb.protocol.ids import Attempt, TaskId
from sabotnb.protocol.operator import Committable
from sabotnb.protocol.source import Split


class TaskState(str, Enum):
    """States of one task attempt; the table of legal moves is ``execution.transitions``."""

    CREATED = "CREATED"
    SCHEDULED = "SCHEDULED"
    DEPLOYING = "DEPLOYING"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    CANCELING = "CANCELING"
    CANCELED = "CANCELED"
    FAILED = "FAILED"
    RECONCILING = "RECONCILING"


class JobState(str, Enum):
    """States of a job."""

    PENDING = "PENDING"  # waits for slots
    DEPLOYING = "DEPLOYING"
    RUNNING = "RUNNING"
    COMMITTING = "COMMITTING"  # all tasks finished, output is being published
    FINISHED = "FINISHED"
    CANCELING = "CANCELING"
    CANCELED = "CANCELED"
    FAILING = "FAILING"  # a task failed, the others are being canceled
    FAILED = "FAILED"

    @property
    def terminal(self) -> bool:
        """True if nothing happens to the job any more."""
        return self in (JobState.FINISHED, JobState.CANCELED, JobState.FAILED)


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """What an agent says about itself when it registers. ``id`` is new for every process (``agent-3``).

    ``endpoints`` are where its data server listens: ``unix`` (a path) and ``tcp`` (``host:port``), and the ``token``
    that lets others in, so they are not shown.
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
class VertexNeeds:
    """What the control plane has to know of one vertex to give its tasks a place."""

    id: str
    parallelism: int
    slot_group: str = "default"
    tags: frozenset[str] = frozenset()
    cpu: float = 0.5
    memory: int = 256 << 20


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job as submitted; made by ``execution.job_request``.

    ``execution`` is an ``ExecutionGraph`` as plain data, opaque to the control plane, which reads ``vertices``.
    ``splits`` per source vertex are discovered already; ``owner`` identifies the session for name checks;
    ``fingerprint`` of the job graph decides between attach and replace; ``publishes``: some sink has a committer;
    ``pulled``: only the owner's session can take the rows of some sink, without which the job stands still;
    ``outputs`` are the folders that it writes into, links resolved, and whether it appends to each;
    ``views`` is kept for clients that show the job.
    """

    name: str
    owner: str
    fingerprint: str
    execution: Mapping[str, Any]
    vertices: tuple[VertexNeeds, ...] = ()
    publishes: bool = True
    pulled: bool = False
    outputs: Mapping[str, bool] = field(default_factory=dict)
    splits: Mapping[str, tuple[Split, ...]] = field(default_factory=dict)
    views: Mapping[str, Any] = field(default_factory=dict)
    placement: str = "round_robin"


@dataclass(frozen=True, slots=True)
class AgentUp:
    agent: AgentInfo


@dataclass(frozen=True, slots=True)
class AgentDown:
    agent: str
    reason: str


@dataclass(frozen=True, slots=True)
class AgentLeaving:
    """An agent is about to be taken away: it is given nothing more. ``reason`` is said if that costs it tasks."""

    agent: str
    reason: str


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """An agent lives. One from an agent that was given up is answered by ``Fence``.

    ``hanging`` are canceled attempts that were given up, and whose threads still run.
    """

    agent: str
    hanging: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskChanged:
    """An agent reports a task's new state; with FINISHED its committables, with FAILED its failure.

    With a last state come the final ``counters`` and (rows, bytes) ``sent`` by edge, as no later report has them.
    """

    agent: str
    attempt: Attempt
    state: TaskState
    failure: Failure | None = None
    committables: tuple[Committable, ...] = ()
    counters: TaskCounters | None = None
    sent: Mapping[int, tuple[int, int]] = field(default_factory=dict)


class Queue(NamedTuple):
    """A channel's end in its task's gate: bytes unread, and the credit that its sender has left.

    A tuple because a hundred tasks may have thousands of them in each report.
    """

    edge: int
    sender: int
    """Index of the sending task."""
    held: int
    credit: int


@dataclass(frozen=True, slots=True)
class MetricsReported:
    """Counters of an agent's tasks, twice a second. ``at`` is the agent's own steady clock (seconds): rates need it."""

    agent: str
    counters: Mapping[Attempt, TaskCounters]
    edges: Mapping[tuple[Attempt, int], tuple[int, int]] = field(default_factory=dict)
    """(rows, bytes) sent by an attempt on an edge."""
    queues: Mapping[Attempt, tuple[Queue, ...]] = field(default_factory=dict)
    """What is unread in the gates of the attempts that have one: a queue per channel that holds something."""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Committed:
    """An agent has committed (or aborted) the output of a job."""

    agent: str
    job: str
    epoch: int
    action: str
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class PeerLost:
    """An agent's connection with another broke, so that channels between them are dead; both may be alive."""

    agent: str
    peer: str
    reason: str


@dataclass(frozen=True, slots=True)
class SessionChanged:
    """A session that submits jobs has connected, or its last connection has ended. It may come back."""

    owner: str
    connected: bool


@dataclass(frozen=True, slots=True)
class TimerFired:
    name: str


@dataclass(frozen=True, slots=True)
class UserCommand:
    """A client asks; answered by the ``Reply`` with its id.

    ``kind`` is submit (args: request), cancel, stop, pause, resume or forget (args: epoch, None for any), or fail
    (args: epoch, failure: what went wrong in the client with rows that it was given). Commands are idempotent. Those
    that find nothing to do say so in the reply's ``said``.
    """

    id: str
    kind: str
    job: str
    args: Mapping[str, Any] = field(default_factory=dict)


Event = (
    AgentUp
    | AgentLeaving
    | AgentDown
    | Heartbeat
    | TaskChanged
    | MetricsReported
    | Committed
    | PeerLost
    | SessionChanged
    | TimerFired
    | UserCommand
)


@dataclass(frozen=True, slots=True)
class Deployment:
    """All that one agent needs to run its tasks of one job.

    ``placement`` gives for each vertex the agent of each task index; ``agents`` where those agents are reached.
    """

    job: str
    epoch: int
    execution: Mapping[str, Any]
    placement: Mapping[str, tuple[str, ...]]
    agents: Mapping[str, AgentInfo]
    attempts: tuple[Attempt, ...]
    splits: Mapping[TaskId, tuple[Split, ...]]


@dataclass(frozen=True, slots=True)
class Deploy:
    """Start these tasks. They open, report RUNNING, and read no source before ``StartSources``."""

    agent: str
    deployment: Deployment


@dataclass(frozen=True, slots=True)
class StartSources:
    """All tasks of the job are RUNNING: its sources may read."""

    job: str
    epoch: int


@dataclass(frozen=True, slots=True)
class CancelTasks:
    """Stop the job's tasks at once and report CANCELED for each."""

    job: str
    epoch: int


@dataclass(frozen=True, slots=True)
class StopSources:
    """Sources end now; what is under way is drained."""

    job: str
    epoch: int


@dataclass(frozen=True, slots=True)
class PauseSources:
    """Sources read nothing until ``ResumeSources``; everything else goes on, cuts and timers too."""

    job: str
    epoch: int


@dataclass(frozen=True, slots=True)
class ResumeSources:
    """Paused sources read on from where they were."""

    job: str
    epoch: int


@dataclass(frozen=True, slots=True)
class EndJob:
    """The job is over, its output published or removed: drop its functions and tables. Results stay to be read."""

    job: str
    epoch: int


@dataclass(frozen=True, slots=True)
class ForgetJob:
    """The job is over: drop its results, functions and channels."""

    job: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Fence:
    """``agent`` was given up (no heartbeat in time): drop every task and register again under a new id.

    Each late heartbeat is answered, so one may reach the identity that the process has taken since: it is not meant.
    """

    agent: str


Command = StartSources | CancelTasks | StopSources | PauseSources | ResumeSources | EndJob | ForgetJob | Fence


@dataclass(frozen=True, slots=True)
class Tell:
    agent: str
    command: Command


@dataclass(frozen=True, slots=True)
class Commit:
    """``action`` is commit or abort; the agent runs the committers of ``execution``'s sinks in a thread."""

    agent: str
    job: str
    epoch: int
    action: str
    execution: Mapping[str, Any]
    committables: tuple[Committable, ...]


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Feed ``TimerFired(name)`` at ``at`` (the clock of ``handle``'s ``now``); a later one of the name replaces it."""

    name: str
    at: float


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer to the ``UserCommand`` with this id: a value, or the failure that it is refused with."""

    id: str
    value: Any = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class JobChanged:
    """The job's state changed: wake who waits for it."""

    job: str
    state: JobState


Instruction = Deploy | Tell | Commit | SetTimer | Reply | JobChanged
