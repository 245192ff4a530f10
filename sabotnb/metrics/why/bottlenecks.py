"""Rules for jobs that are held up by an operator: backpressure, skew and busy tasks."""

from __future__ import annotations

from sabotnb.metrics.job_metrics import Finding, JobMetrics, VertexMetrics
from sabotnb.metrics.why.vertex_loads import edges_into, measured_sources, measured_vertices, occupied, vertices_below
from sabotnb.metrics.why.wording import duration, megabytes, percent, short, written
from sabotnb.text_limits import FINDING_NAME

BLOCKED = 0.3
"""A vertex backpressured for this share of its time is held up by a downstream vertex."""
LEAKING = 0.15
"""A vertex backpressured for less than this share is not followed further: it is a cause itself."""
LOADED = 0.6
"""A vertex whose busiest task is busy for this share of its time can hold up others."""
FULL = 0.8
"""A vertex whose busiest task is busy for this share limits the job, also without backpressure."""
SPARE = 0.35
"""Tasks that are busy for at most this share have spare time."""
QUEUED = 0.25
"""A vertex with a channel that is full to this share falls behind, also before backpressure begins."""
LATE = 2.0
"""A vertex whose median latency is at least this many seconds has a queue before it."""
GAINING = 1.3
"""A vertex that gets rows faster than it takes them by this factor falls behind; smaller factors may be noise."""
HOT = 1.5
"""A task that gets this many times its even share of the rows has a hot key, or there are few keys."""


def held_up(job: JobMetrics) -> Finding | None:
    """Report the vertex that causes backpressure."""
    blocked = [vertex for vertex in measured_vertices(job) if vertex.load.backpressured >= BLOCKED]
    if not blocked:
        return None
    first = max(blocked, key=lambda vertex: vertex.load.backpressured)
    root = _root(job, first)
    if root.load.backpressured >= BLOCKED and not any(edge.up == root.id for edge in job.edges):
        return _consumer(root)
    if root is first or root.busiest < LOADED:
        return Finding(
            "unknown",
            written(first),
            f"{short(written(first))} is backpressured {percent(first.load.backpressured)} of the time, "
            "but nothing downstream is busy: rows come in bursts, or the connection between workers is slow.",
            'job.metrics(per="channel") shows where rows queue',
        )
    waiting = "its first phase" if written(first) == written(root) else short(written(first))
    return _skewed(job, root) or _busy(job, root, f"{waiting} waits for it")


def _root(job: JobMetrics, start: VertexMetrics) -> VertexMetrics:
    """Return the vertex at which the backpressure of ``start`` ends; ``start`` if no downstream vertex runs."""
    vertex = start
    while below := list(vertices_below(job, vertex)):
        fullest = max(below, key=occupied)
        waits = vertex.load.backpressured
        # A vertex that waits and works is passed only if it waits, or the next one is occupied, more than it works.
        deeper = max(occupied(fullest), waits) > vertex.busiest
        if vertex is not start and not (waits >= LEAKING and deeper):
            break
        vertex = fullest
    return vertex


def _consumer(sink: VertexMetrics) -> Finding:
    """Report that the client reads too slowly: a backpressured sink has rows that were not fetched."""
    name = sink.operators[-1].id if sink.operators else sink.id
    processes = "The callback in this notebook processes" if name in sink.functions else "This notebook fetches"
    return Finding(
        "sink",
        name,
        f"{processes} rows of {short(name)} more slowly than they arrive, and everything upstream waits for it.",
        '.sink_parquet("rows") writes on the workers; .sink_live() keeps the last rows and never blocks',
    )


def _skewed(job: JobMetrics, vertex: VertexMetrics) -> Finding | None:
    """Report that one task has nearly all the work of its vertex."""
    running = vertex.states.get("RUNNING", 0)
    if running < 2:
        return None
    others = (vertex.load.busy * running - vertex.busiest) / (running - 1)
    if others > SPARE:
        return None
    task = f"{short(written(vertex))} is the bottleneck: task {vertex.busiest_task} of {vertex.tasks}"
    share = _share_of_busiest(job, vertex, running)
    if share is None or share * running < HOT:
        even = "" if share is None else ", although rows are spread evenly"
        sentence = f"{task} is busy {percent(vertex.busiest)} of the time and the others wait{even}."
        return Finding("skew", written(vertex), sentence, f"job.probe({vertex.id!r}) shows its rows")
    sentence = f"{task} gets {percent(share)} of the rows; {_cause_of_skew(job, vertex)}."
    return Finding("skew", written(vertex), sentence, f"job.probe({vertex.id!r}) shows the most frequent keys")


def _share_of_busiest(job: JobMetrics, vertex: VertexMetrics, running: int) -> float | None:
    """Return the busiest task's share of the rows; None if it is unknown.

    Behind several edges, as in a join, only the task with most rows and its multiple of the mean are known.
    """
    known = [share for edge in edges_into(job, vertex) for share in edge.shares if share.task == vertex.busiest_task]
    if known:
        return known[0].part
    if vertex.skew is None or (vertex.skew_task != vertex.busiest_task and vertex.skew >= HOT):
        return None
    return vertex.skew / running


def _cause_of_skew(job: JobMetrics, vertex: VertexMetrics) -> str:
    keys = max((edge.keys for edge in edges_into(job, vertex)), key=len, default=())
    if not keys:
        return "they are spread unevenly"
    key = ", ".join(map(short, keys))
    return f"one {key if len(keys) == 1 else f'({key})'} key is hot, or there are too few distinct keys"


def _busy(job: JobMetrics, vertex: VertexMetrics, consequence: str) -> Finding:
    """Report a vertex whose tasks are all busy, and with which operator."""
    operator, kind = busiest_operator(vertex)
    doing = {"map_rows": " in a Python function called for each row", "sink": " writing"}.get(kind, "")
    if not doing and operator in vertex.functions:
        doing = " in a Python function"
    running = vertex.states.get("RUNNING", 0)
    tasks = f"its {running} tasks are" if running > 1 else "its only task is"
    if running < vertex.tasks:
        tasks = f"{running} of its {vertex.tasks} tasks {'is' if running == 1 else 'are'}"
    name = written(vertex, operator)
    sentence = (
        f"{short(name)} is the bottleneck: {tasks} busy {percent(vertex.busiest)} of the time{doing}, "
        f"and {consequence}."
    )
    return Finding("sink" if kind == "sink" else "busy", name, sentence, _relief(job, vertex, operator, kind))


def busiest_operator(vertex: VertexMetrics) -> tuple[str, str]:
    """Return the operator of the chain that takes most time, the last of equals, and its kind."""
    chain = list(zip(vertex.operators, vertex.kinds, strict=False))
    if not chain:
        return vertex.id, vertex.role
    operator, kind = max(reversed(chain), key=lambda entry: entry[0].busy)
    return operator.id, kind


def _relief(job: JobMetrics, vertex: VertexMetrics, operator: str, kind: str) -> str:
    if vertex.role == "source" and vertex.states.get("RUNNING", 0) < vertex.tasks:
        return f".rebalance() before it spreads the rows over all of its {vertex.tasks} tasks"
    if kind == "map_rows":
        return ".map_batches(...) calls the function once per batch, not once per row"
    if kind == "sort":
        return ".top(n, by=...) instead of .sort(...) keeps n rows only"
    if any(edge.type == "gather" for edge in edges_into(job, vertex)):
        return ".filter(...) before it leaves it fewer rows: one task has to take them all"
    if written(vertex, operator) != operator:  # a first phase: it has as many tasks as what comes before it
        if operator == vertex.id:
            return f".run(parallelism={2 * vertex.tasks})"
        operator = written(vertex)
    name = f"{operator!r}, " if len(operator) <= FINDING_NAME else ""
    return f".named({name}parallelism={2 * vertex.tasks})".replace("'", '"')


def busiest(job: JobMetrics) -> Finding | None:
    """Report a vertex that is busy nearly all the time without causing backpressure."""
    vertex = max(measured_vertices(job), key=lambda vertex: vertex.busiest)
    if vertex.busiest < FULL:
        return None
    operator, kind = busiest_operator(vertex)
    if kind == "source":
        sentence = f"{short(written(vertex))} reads as fast as it can, and everything downstream keeps up."
        return Finding("busy", vertex.id, sentence, _faster_source(vertex))
    if vertex.role == "source":
        return _busy(job, vertex, "everything downstream waits for it")
    skewed = _skewed(job, vertex)
    if behind := _behind(job, vertex):
        return skewed or _busy(job, vertex, behind)
    if not measured_sources(job):
        return skewed or _busy(job, vertex, "the sources have no more rows")
    name = written(vertex, operator)
    sentence = f"{short(name)} is busy {percent(vertex.busiest)} of the time: it keeps up, but has little headroom."
    advice = skewed.advice if skewed else _relief(job, vertex, operator, kind)
    return Finding("even", name, sentence, advice)


def _behind(job: JobMetrics, vertex: VertexMetrics) -> str:
    """Return the sign that the vertex falls behind, as a clause; empty if it keeps up."""
    if vertex.fill >= QUEUED:
        return f"{megabytes(vertex.queued)} of rows wait in its queue"
    if vertex.latency is not None and vertex.latency.p50 >= LATE:
        return f"rows take {duration(vertex.latency.p50)} to get through"
    sent = sum(edge.sent.rows_rate for edge in edges_into(job, vertex))
    return "rows arrive faster than it takes them" if sent > GAINING * vertex.into.rows_rate > 0 else ""


def _faster_source(source: VertexMetrics) -> str:
    if source.id in source.functions:
        return "yield record batches instead of dicts"
    has_ended_tasks = source.states.get("RUNNING", 0) < source.tasks  # more tasks than splits: more do not help
    if has_ended_tasks or len(source.id) > FINDING_NAME:
        return ""
    return f'.named("{source.id}", parallelism={2 * source.tasks}) reads more files at once'
