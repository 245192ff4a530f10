"""What is known of a running job at one moment: plain data, the same for DataFrames, widgets, Prometheus and sentences.

Counts are totals since the start, rates are per second over about the last two seconds, times of the day are seconds
since the epoch (UTC), durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sabotnb.pickling import quickly_pickled

OVER = ("FINISHED", "FAILED", "CANCELED")
"""States in which nothing happens any more, of jobs and of tasks."""
MOST_DOTS = 16
"""Of a vertex with more tasks a picture draws none of them."""
MOST_SHARES = 16
"""Shares of an edge that are sent to who watches the job."""


@quickly_pickled
@dataclass(frozen=True, slots=True)
class Throughput:
    """Rows, batches and bytes that have passed, and how many of them per second now."""

    rows: int = 0
    batches: int = 0
    bytes: int = 0
    rows_rate: float = 0.0
    batches_rate: float = 0.0
    bytes_rate: float = 0.0


@quickly_pickled
@dataclass(frozen=True, slots=True)
class Load:
    """Shares of the last seconds, which add up to 1 (all 0 before a task has run for a moment)."""

    busy: float = 0.0
    idle: float = 0.0
    backpressured: float = 0.0


@quickly_pickled
@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from a source to here that half, and 99 %, of the last markers took at most."""

    p50: float
    p99: float


@quickly_pickled
@dataclass(frozen=True, slots=True)
class TaskMetrics:
    """One task. ``queued`` are unread bytes in its gate; ``fill`` is how full its fullest channel is, from 0 to 1.

    ``reported`` is when its agent reported last (None: not yet). ``final`` totals are those with which the task ended;
    a task that is over and whose totals are not final was lost, and has those of the last report.
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
    state_keys: int = 0
    state_bytes: int = 0
    watermark: int | None = None
    latency: Latency | None = None
    reported: float | None = None
    final: bool = False

    @property
    def over(self) -> bool:
        """True when the task does not run any more, and never will."""
        return self.state in OVER


@quickly_pickled
@dataclass(frozen=True, slots=True)
class TaskDot:
    """What a picture shows of a task: its state, and the share of its time in which it is busy."""

    index: int
    state: str
    busy: float


@quickly_pickled
@dataclass(frozen=True, slots=True)
class Share:
    """A task's part of the rows of an edge, from 0 to 1."""

    task: int
    part: float


@quickly_pickled
@dataclass(frozen=True, slots=True)
class OperatorMetrics:
    """Rows that left one operator, which may be in the middle of a chain, and the share of its tasks' time it took."""

    id: str
    rows: int
    rows_rate: float
    busy: float = 0.0


@quickly_pickled
@dataclass(frozen=True, slots=True)
class VertexMetrics:
    """All tasks of one vertex (a chain of operators; the id is that of the first).

    ``load`` is the mean over running tasks, ``busiest`` the largest busy share and ``busiest_task`` whose it is;
    ``skew`` is how many times the mean ``skew_task``, the one with most rows in (of a source: out), has had of the rows
    of the last half minute: 1 is even, None says that there were no rows. ``idle_since`` is set when no row has come in
    for over a second while the job runs.
    """

    id: str
    role: str
    """source, operator or sink; a chain from a source to a sink is a source."""
    kinds: tuple[str, ...]
    """Kind of each operator of the chain (``filter``, ``aggregate``), in the order of ``operators``.

    ``functions`` are the ids of those that call the user's code.
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
    state_keys: int = 0
    state_bytes: int = 0
    watermark: int | None = None
    latency: Latency | None = None
    idle_since: float | None = None
    history: tuple[float, ...] = ()
    """Rows per second in (of a source: out), one number per second, the newest last; at most ``HISTORY_SECONDS``."""
    dots: tuple[TaskDot, ...] = ()
    """Its tasks, those that failed first, then the busiest; none if there are more than ``MOST_DOTS``."""


@quickly_pickled
@dataclass(frozen=True, slots=True)
class EdgeMetrics:
    """One edge of the execution graph. ``fill`` is how full its fullest channel is, ``queued`` bytes in all of them.

    ``shares`` are the parts of the last half minute's rows that each task below has taken, the largest first; empty
    where that is not known: there were no rows, or several edges lead there, whose rows tasks count together.
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
    shares: tuple[Share, ...] = ()


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Why a job failed, for people: ``traceback`` has the user's frames alone, ``sample`` the rows it happened at."""

    kind: str
    message: str
    operator: str = ""
    vertex: str = ""
    traceback: str = ""
    sample: str = ""
    everything: str = ""
    """The whole traceback of the worker, for bug reports."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence on how the job goes, what to do about it, and the operator that it is about ("" for the job).

    ``kind``: ended, failed, waiting, paused, starting, skew, busy, sink, source, watermark, idle, even, unknown.
    """

    kind: str
    operator: str
    sentence: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class JobMetrics:
    """A job at the moment ``at``. ``version`` grows with every change that is worth showing."""

    job: str
    epoch: int
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
    """Part of the input that was read, from 0 to 1; None for endless jobs, or while a source does not know its size."""
    lag: float | None
    """Seconds from the lowest watermark of a sink's vertex to now; None without event time."""
    waits: str
    """What a pending job waits for, as the end of a sentence: ``needs 4 slots, 2 free``."""
    error: JobFailure | None
    tasks: tuple[TaskMetrics, ...]
    """None where ``without_tasks`` has taken them away."""
    vertices: tuple[VertexMetrics, ...]
    edges: tuple[EdgeMetrics, ...]
    finding: Finding | None = None
    waits_for: str = ""
    """Of a pending job: slots, former run or another job."""
    publishes: bool = False
    """True if it has output that appears when it has finished, and is removed if it does not."""
    stopping: bool = False
    """True when its sources were told to end, and what they have read is still on its way."""

    @property
    def terminal(self) -> bool:
        """True when the job is over."""
        return self.state in OVER


def without_tasks(metrics: JobMetrics) -> JobMetrics:
    """The part whose size does not grow with the number of tasks: what is sent again and again to who watches."""
    edges = tuple(replace(edge, shares=edge.shares[:MOST_SHARES]) for edge in metrics.edges)
    return replace(metrics, tasks=(), edges=edges)
