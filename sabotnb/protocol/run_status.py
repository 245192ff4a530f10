"""What clients are told about a run: a row in the list of jobs, and its whole status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sabotnb.metrics import TaskCounters
from sabotnb.pickling import quickly_pickled
from sabotnb.protocol.elements import CutKind
from sabotnb.protocol.failure import Failure
from sabotnb.protocol.ids import Attempt, RunId
from sabotnb.protocol.job_states import JobState, TaskState
from sabotnb.protocol.job_topology import JobTopology


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A run in the list of jobs. Times are seconds of the scheduler's steady clock.

    ``counts``: the number of tasks by state. ``rows`` and ``bytes`` are all that left any task; ``rows_in`` were read
    by sources, ``rows_out`` taken by sinks. All of them count from the beginning of the run, over all ``restarts``;
    rows that are read again count once. ``uncommitted``: the run writes files, and loses its rows if the cluster ends
    now.
    """

    run: RunId
    owner: str
    state: JobState
    submitted: float
    started: float | None
    changed: float
    uncommitted: bool = False
    paused: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    rows: int = 0
    bytes: int = 0
    rows_in: int = 0
    rows_out: int = 0
    late: int = 0
    open_windows: int = 0
    waiting_rows: int = 0
    restarts: int = 0

    @property
    def job(self) -> str:
        """The job's name."""
        return self.run.job


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRunSummary:
    """A run in the job store. ``holder`` is the process that runs it; empty if none does.

    ``resumable``: it has a checkpoint, from which another process can go on.
    """

    run: RunId
    owner: str
    state: JobState
    resumable: bool = False
    holder: str = ""

    @property
    def lost(self) -> bool:
        """True if it has not ended, and no process runs it."""
        return not self.state.terminal and not self.holder

    @property
    def sentence(self) -> str:
        """What a user should know of a run that this cluster does not run."""
        if self.lost:
            return f"lost: sb.resume({self.run.job!r})" if self.resumable else "lost"
        return f"{self.state.value}, {self.holder}" if self.holder else self.state.value


@quickly_pickled
@dataclass(frozen=True, slots=True)
class TaskStatus:
    """A task of a run: the slot that it holds, its state and totals; ``sent`` is (rows, bytes) by outgoing edge.

    ``counters`` come without latencies and without rows by operator, which the metrics of the run have.
    """

    attempt: Attempt
    agent: str
    slot: int
    state: TaskState
    failures: int
    counters: TaskCounters
    sent: Mapping[int, tuple[int, int]]

    @property
    def vertex(self) -> str:
        """The vertex that it is a task of."""
        return self.attempt.task.vertex

    @property
    def index(self) -> int:
        """Its number among the tasks of its vertex."""
        return self.attempt.task.index


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointStatus:
    """A stored checkpoint or savepoint. ``began`` is seconds of the scheduler's steady clock; it took ``seconds``.

    ``nbytes`` are those of each task's state file, by task as people write it. ``rows``: how many the sources had
    read, in all epochs that lead to it. ``kept``: it is not removed, and the run has not gone back to an earlier one.
    """

    cut: int
    kind: CutKind
    name: str
    epoch: int
    began: float
    seconds: float
    nbytes: Mapping[str, int] = field(default_factory=dict)
    rows: int = 0
    kept: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointingStatus:
    """What a run does about checkpoints now. Times are seconds of the scheduler's steady clock.

    ``since``: when the cut in progress began, for which ``missing`` tasks are waited for; None without one. The last
    ``failures`` cuts failed, the newest with ``last_failure``. ``restored`` names the cut from which the run goes on
    after a restart, or is about to. That cut began ``replayed`` seconds before the loss, and the sources had read about
    ``replayed_rows`` since, which they read again; None if that is not known. ``storage`` is where the files are; empty
    if the run takes no checkpoints.
    """

    storage: str = ""
    since: float | None = None
    missing: int = 0
    failures: int = 0
    last_failure: str = ""
    restored: str = ""
    replayed: float | None = None
    replayed_rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus(RunSummary):
    """Everything about a run but its metrics and pictures.

    ``waits`` says what a PENDING or RESTARTING run waits for, ``failure`` why it failed; ``note`` is what a user should
    know about how it ended or was restored; ``lost`` is the last loss after which it begins again, or did.
    ``addresses`` are those of the agents of its tasks that are still registered. ``checkpoints`` are the last ones, the
    newest at the end.
    """

    topology: JobTopology
    failure: Failure | None = None
    note: str = ""
    waits: str = ""
    lost: str = ""
    tasks: tuple[TaskStatus, ...] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)
    checkpoints: tuple[CheckpointStatus, ...] = ()
    checkpointing: CheckpointingStatus = field(default_factory=CheckpointingStatus)
