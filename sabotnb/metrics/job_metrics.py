"""The metrics of a job at one moment: plain data for DataFrames, widgets, Prometheus and sentences.

Counts are totals since the start of the run, over all restarts. Rates are per second over about the last two seconds,
times of the day are seconds since the epoch (UTC), durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sabotnb.metrics.counters import WatermarkHolder
from sabotnb.pickling import quickly_pickled

OVER = ("FINISHED", "FAILED", "CANCELED")
"""Final states of jobs and tasks."""
MOST_DOTS = 16
"""A picture draws the tasks of a vertex with at most this many tasks."""
MOST_SHARES = 16
"""Shares of an edge that are sent to clients that watch the job."""
MANY_LATE = 0.05
"""Share of the rows into an operator above which late rows are shown as a fault."""
RECORDED_SECONDS = 30 * 86400.0
"""A watermark that is further than this from the clock belongs to recorded data: how far says nothing."""


@quickly_pickled
@dataclass(frozen=True, slots=True)
class Throughput:
    """Total rows, batches and bytes, and their current rates per second."""

    rows: int = 0
    batches: int = 0
    bytes: int = 0
    rows_rate: float = 0.0
    batches_rate: float = 0.0
    bytes_rate: float = 0.0


@quickly_pickled
@dataclass(frozen=True, slots=True)
class Load:
    """Shares of the last seconds, which add up to 1 (all 0 before a task was measured)."""

    busy: float = 0.0
    idle: float = 0.0
    backpressured: float = 0.0


@quickly_pickled
@dataclass(frozen=True, slots=True)
class Latency:
    """Latency from the sources in seconds: median and 99th percentile of the last markers."""

    p50: float
    p99: float


@quickly_pickled
@dataclass(frozen=True, slots=True)
class TaskMetrics:
    """The metrics of one task. ``queued`` are unread bytes in its gate, ``fill`` is the fill of its fullest channel.

    ``queue_seconds`` is how long the task takes to consume them; None before that was measured.

    ``reported`` is the time of its agent's last report (None: no report yet). ``final`` totals were reported at the end
    of the task; an ended task without final totals was lost, and has the totals of the last report. ``failures`` are
    those of all its attempts in the run.
    """

    vertex: str
    index: int
    attempt: int
    agent: str
    slot: int
    state: str
    into: Throughput = field(default_factory=Throughput)
    out: Throughput = field(default_factory=Throughput)
    load: Load = field(default_factory=Load)
    late: int = 0
    queued: int = 0
    fill: float = 0.0
    queue_seconds: float | None = 0.0
    state_keys: int = 0
    state_bytes: int = 0
    watermark: int | None = None
    latency: Latency | None = None
    reported: float | None = None
    final: bool = False
    holder: WatermarkHolder | None = None
    """What holds the watermark of its input back; None without event time, and if nothing does."""
    ahead: int = 0
    """Rows that it has read whose times are more than a day ahead of their arrival."""
    failures: int = 0
    spilled_bytes: int = 0
    """Bytes of rows that it has written to temporary files."""
    cut_pause: float = 0.0
    """The longest time for which a checkpoint has kept it from processing rows."""

    @property
    def over(self) -> bool:
        """True if the task has ended."""
        return self.state in OVER


@quickly_pickled
@dataclass(frozen=True, slots=True)
class TaskDot:
    """The state and the busy share of a task, for pictures."""

    index: int
    state: str
    busy: float


@quickly_pickled
@dataclass(frozen=True, slots=True)
class Share:
    """A task's share of the rows of an edge, from 0 to 1."""

    task: int
    part: float


@quickly_pickled
@dataclass(frozen=True, slots=True)
class OperatorMetrics:
    """Rows that left one operator of a chain, and the share of its tasks' time that it took.

    ``watermark`` is the smallest of its input in any task, and ``awaited`` the event time that its next results wait
    for, in microseconds. ``late_share`` is the share of its input that was late. ``part_of`` is the operator that
    the user wrote, if this one is its first phase; empty for others.
    """

    id: str
    rows: int
    rows_rate: float
    busy: float = 0.0
    watermark: int | None = None
    awaited: int | None = None
    late: int = 0
    late_share: float = 0.0
    part_of: str = ""


@quickly_pickled
@dataclass(frozen=True, slots=True)
class VertexMetrics:
    """The metrics of all tasks of one vertex (a chain of operators; the id is that of the first).

    ``load`` is the mean over running tasks, ``busiest`` the largest busy share and ``busiest_task`` its task.
    ``skew_task`` is the task with most rows in (of a source: out) in the last half minute, and ``skew`` its number of
    rows divided by the mean: 1 is even, None means that there were no rows. ``idle_since`` is set when no row has come
    in for over a second while the job runs. ``queue_seconds`` is the largest of its tasks, None if none was measured.
    """

    id: str
    role: str
    """source, operator or sink; a chain that begins with a source is a source."""
    kinds: tuple[str, ...]
    """Kind of each operator of the chain (``filter``, ``aggregate``), in the order of ``operators``.

    ``functions`` are the ids of the operators that call the user's code.
    """
    functions: tuple[str, ...]
    operators: tuple[OperatorMetrics, ...]
    tasks: int
    states: Mapping[str, int]
    into: Throughput = field(default_factory=Throughput)
    out: Throughput = field(default_factory=Throughput)
    load: Load = field(default_factory=Load)
    busiest: float = 0.0
    busiest_task: int = 0
    skew: float | None = None
    skew_task: int = 0
    late: int = 0
    queued: int = 0
    fill: float = 0.0
    queue_seconds: float | None = 0.0
    state_keys: int = 0
    state_bytes: int = 0
    watermark: int | None = None
    latency: Latency | None = None
    idle_since: float | None = None
    history: tuple[float, ...] = ()
    """Rows per second in (of a source: out), one number per second, the newest last; at most ``HISTORY_SECONDS``."""
    dots: tuple[TaskDot, ...] = ()
    """Its tasks, failed ones first, then the busiest; empty if there are more than ``MOST_DOTS``."""
    spilled_bytes: int = 0
    """Bytes of rows that its tasks have written to temporary files."""
    cut_pause: float = 0.0
    """The longest of its tasks."""


@quickly_pickled
@dataclass(frozen=True, slots=True)
class EdgeMetrics:
    """One edge of the execution graph. ``fill`` is the fill of its fullest channel, ``queued`` bytes in all channels.

    ``queue_seconds`` is how long the slowest of the receiving tasks takes to consume what it has of them; None before
    that was measured. ``shares`` are the downstream tasks' shares of the rows of the last half minute, the largest
    first. It is empty if they are unknown: there were no rows, or several edges lead to the vertex, whose rows a task
    counts together.
    """

    index: int
    id: str
    up: str
    down: str
    port: int
    type: str
    keys: tuple[str, ...]
    channels: int
    sent: Throughput = field(default_factory=Throughput)
    queued: int = 0
    fill: float = 0.0
    queue_seconds: float | None = 0.0
    shares: tuple[Share, ...] = ()
    watermark: int | None = None
    """The smallest watermark that the upstream tasks have sent; None without event time."""


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Why a job failed: ``traceback`` has the user's frames only, ``sample`` the rows at which it failed."""

    kind: str
    message: str
    operator: str = ""
    vertex: str = ""
    traceback: str = ""
    sample: str = ""
    everything: str = ""
    """The full traceback of the worker, for bug reports."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence about the state of a job, advice, and the operator that it is about ("" for the whole job).

    ``kind``: ended, failed, waiting, paused, starting, skew, busy, sink, source, watermark, late, idle, even, unknown.
    """

    kind: str
    operator: str
    sentence: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class JobMetrics:
    """The metrics of a job at time ``at``. ``version`` grows with every change that is worth showing."""

    job: str
    run: int
    """The number of the run, later ones are greater."""
    version: int
    at: float
    state: str
    paused: bool
    bounded: bool
    submitted: float
    started: float | None
    ended: float | None
    rows_in: Throughput
    """Of all sources."""
    rows_out: Throughput
    """Of all sinks."""
    late: int
    progress: float | None
    """Share of the input that was read, from 0 to 1; None for unbounded jobs and while a size is unknown."""
    lag: float | None
    """Seconds from the lowest watermark of a sink's vertex to now; None without event time, and for recorded data."""
    waits: str
    """What a pending job waits for, as the predicate of a sentence: ``needs 4 slots, 2 free``."""
    error: JobFailure | None
    tasks: tuple[TaskMetrics, ...]
    """Empty after ``without_tasks``."""
    vertices: tuple[VertexMetrics, ...]
    edges: tuple[EdgeMetrics, ...]
    finding: Finding | None = None
    waits_for: str = ""
    """Of a pending job: slots, previous run or another job."""
    commits: bool = False
    """True if it has output that is committed when the job finishes, and is removed otherwise."""
    stopping: bool = False
    """True if its sources were stopped; rows that they have read may still be processed."""
    open_windows: int = 0
    """Results of windows that were open when the sources were stopped: they were dropped."""
    waiting_rows: int = 0
    """Rows of joins by time that waited for a partner when the sources were stopped: they were dropped."""
    ahead: int = 0
    """Rows whose times are more than a day ahead of their arrival: they do not advance event time."""
    restarts: int = 0
    """How often it began again after a worker was lost."""
    goes_on_from: str = ""
    """The checkpoint that it goes on from after a restart, or is about to, with how much is read again: ``going_on``.

    Empty for the beginning.
    """
    lost: str = ""
    """A sentence about the last worker or connection that it lost and survived."""
    checkpointed: float | None = None
    """When its last checkpoint began; None if it has none."""
    checkpoint_failure: str = ""
    """A sentence about checkpoints that failed since then; empty if none did."""

    @property
    def terminal(self) -> bool:
        """True if the job has ended."""
        return self.state in OVER


def started_again(state: str, restarts: int, lost: str, checkpoint: str) -> str:
    """Return how often a job began again, after which loss, and from which checkpoint or from the beginning.

    Empty if it never did, or is about to.
    """
    if not restarts or state in ("PENDING", "RESTARTING"):
        return ""
    times = "1 time" if restarts == 1 else f"{restarts:,} times"
    why = f": {lost}" if lost else ""  # sb.resume() starts a run again that has lost no worker since
    return f"started again {times}{why}; " + (f"went on from {checkpoint}" if checkpoint else "began at the beginning")


def checkpoints_failed(failures: int, message: str) -> str:
    """Return that the last ``failures`` checkpoints failed, the newest with ``message``; empty if none did."""
    if not failures:
        return ""
    which = "checkpoint" if failures == 1 else f"{failures:,} checkpoints"
    return f"the last {which} failed: {message}"


def lag_of(watermark: int | None, at: float) -> float | None:
    """Return the seconds from a watermark (microseconds) to the time ``at``; None for recorded data."""
    if watermark is None:
        return None
    lag = at - watermark / 1e6
    return lag if abs(lag) <= RECORDED_SECONDS else None


def without_tasks(metrics: JobMetrics) -> JobMetrics:
    """Return the metrics without their tasks: a client that watches gets them often, also from jobs with many tasks."""
    edges = tuple(replace(edge, shares=edge.shares[:MOST_SHARES]) for edge in metrics.edges)
    return replace(metrics, tasks=(), edges=edges)
