"""Rules for jobs that are held up by an operator: backpressure, skew and busy tasks."""

from __future__ import annotations

from sabotnb.metrics.job_metrics import Finding, JobMetrics, VertexMetrics
from sabotnb.metrics.why.vertex_loads import edges_into, measured_vertices, occupied, vertices_below
from sabotnb.metrics.why.wording import LETTERS, duration, megabytes, percent, short

BLOCKED = 0.3
"""Backpressured for this share of its time: something downstream holds it up."""
LEAKING = 0.15
"""Backpressured that little: it may itself be a part of the cause."""
LOADED = 0.6
"""Busy for this share of its time: it can hold others up."""
FULL = 0.8
"""Busy for this share: it decides how fast the job is, even if nobody is backpressured."""
SPARE = 0.35
"""Busy for at most this share: it could do much more."""
QUEUED = 0.25
"""Its fullest channel is that full: rows come faster than it takes them, though nobody is backpressured yet."""
LATE = 2.0
"""Seconds that half of the rows need at least to come through an operator that has a queue before it."""
GAINING = 1.3
"""Rows come that many times as fast as they are taken: more than lots of different sizes explain."""
HOT = 1.5
"""A task that gets this many times its even share of the rows has a hot key, or there are few keys."""


def held_up(job: JobMetrics) -> Finding | None:
    """Follow the backpressure down to where it comes from."""
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
            first.id,
            f"{short(first.id)} is backpressured {percent(first.load.backpressured)} of the time, "
            "but nothing downstream is busy: rows come in bursts, or the connection between workers is slow.",
            'job.metrics(per="channel") shows where rows queue',
        )
    waiting = short(first.id)
    return _skewed(job, root) or _busy(job, root, f"{waiting} waits for it")


def _root(job: JobMetrics, start: VertexMetrics) -> VertexMetrics:
    """The vertex at which the backpressure of ``start`` ends; ``start`` itself if nothing below it runs."""
    at = start
    while below := list(vertices_below(job, at)):
        fullest = max(below, key=occupied)
        waits = at.load.backpressured
        deeper = max(occupied(fullest), waits) > at.busiest
        if at is not start and not (waits >= LEAKING and deeper):
            break
        at = fullest
    return at


def _consumer(sink: VertexMetrics) -> Finding:
    """A backpressured task without an edge below it holds rows that this notebook has not fetched."""
    name = sink.operators[-1].id if sink.operators else sink.id
    processes = "The callback in this notebook processes" if name in sink.functions else "This notebook fetches"
    return Finding(
        "sink",
        name,
        f"{processes} rows of {short(name)} more slowly than they arrive, and everything upstream waits for it.",
        '.sink_parquet("rows") writes on the workers; .sink_live() keeps the last rows and never blocks',
    )


def _skewed(job: JobMetrics, vertex: VertexMetrics) -> Finding | None:
    """One task has nearly all the work of its vertex."""
    running = vertex.states.get("RUNNING", 0)
    if running < 2:
        return None
    others = (vertex.load.busy * running - vertex.busiest) / (running - 1)
    if others > SPARE:
        return None
    task = f"{short(vertex.id)} is the bottleneck: task {vertex.busiest_task} of {vertex.tasks}"
    share = _share_of_busiest(job, vertex, running)
    if share is None or share * running < HOT:
        even = "" if share is None else ", although rows are spread evenly"
        sentence = f"{task} is busy {percent(vertex.busiest)} of the time and the others wait{even}."
        return Finding("skew", vertex.id, sentence, f"job.probe({vertex.id!r}) shows its rows")
    sentence = f"{task} gets {percent(share)} of the rows; {_cause_of_skew(job, vertex)}."
    return Finding("skew", vertex.id, sentence, f"job.probe({vertex.id!r}) shows the most frequent keys")


def _share_of_busiest(job: JobMetrics, vertex: VertexMetrics, running: int) -> float | None:
    """The busiest task's part of the rows; None if that is not known.

    Behind several edges, as in a join, only the task with most rows is known, and how many times the mean it has.
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
    """A vertex whose tasks are all at work, and with what."""
    operator, kind = busiest_operator(vertex)
    doing = {"map_rows": " in a Python function called for each row", "sink": " writing"}.get(kind, "")
    if not doing and operator in vertex.functions:
        doing = " in a Python function"
    running = vertex.states.get("RUNNING", 0)
    tasks = f"its {running} tasks are" if running > 1 else "its only task is"
    if running < vertex.tasks:
        tasks = f"{running} of its {vertex.tasks} tasks {'is' if running == 1 else 'are'}"
    sentence = (
        f"{short(operator)} is the bottleneck: {tasks} busy {percent(vertex.busiest)} of the time{doing}, "
        f"and {consequence}."
    )
    return Finding("sink" if kind == "sink" else "busy", operator, sentence, _relief(job, vertex, operator, kind))


def busiest_operator(vertex: VertexMetrics) -> tuple[str, str]:
    """The operator of the chain that takes most of the time, and its kind; the last of equals."""
    chain = list(zip(vertex.operators, vertex.kinds, strict=False))
    if not chain:
        return vertex.id, vertex.role
    operator, kind = max(reversed(chain), key=lambda one: one[0].busy)
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
    name = f"{operator!r}, " if len(operator) <= LETTERS else ""
    return f".named({name}parallelism={2 * vertex.tasks})".replace("'", '"')


def busiest(job: JobMetrics) -> Finding | None:
    """Nobody is backpressured, but somebody works nearly all the time."""
    vertex = max(measured_vertices(job), key=lambda vertex: vertex.busiest)
    if vertex.busiest < FULL:
        return None
    operator, kind = busiest_operator(vertex)
    if kind == "source":
        sentence = f"{short(vertex.id)} reads as fast as it can, and everything downstream keeps up."
        return Finding("busy", vertex.id, sentence, _faster_source(vertex))
    if vertex.role == "source":
        return _busy(job, vertex, "everything downstream waits for it")
    skewed = _skewed(job, vertex)
    if behind := _behind(job, vertex):
        return skewed or _busy(job, vertex, behind)
    if not any(one.role == "source" for one in measured_vertices(job)):
        return skewed or _busy(job, vertex, "the sources have no more rows")
    sentence = f"{short(operator)} is busy {percent(vertex.busiest)} of the time: it keeps up, but has little headroom."
    advice = skewed.advice if skewed else _relief(job, vertex, operator, kind)
    return Finding("even", operator, sentence, advice)


def _behind(job: JobMetrics, vertex: VertexMetrics) -> str:
    """In which way rows come faster than the vertex takes them; empty if it keeps up."""
    if vertex.fill >= QUEUED:
        return f"{megabytes(vertex.queued)} of rows wait in its queue"
    if vertex.latency is not None and vertex.latency.p50 >= LATE:
        return f"rows take {duration(vertex.latency.p50)} to get through"
    sent = sum(edge.sent.rows_rate for edge in edges_into(job, vertex))
    return "rows arrive faster than it takes them" if sent > GAINING * vertex.into.rows_rate > 0 else ""


def _faster_source(source: VertexMetrics) -> str:
    if source.id in source.functions:
        return "yield record batches instead of dicts"
    some_have_nothing = source.states.get("RUNNING", 0) < source.tasks
    if some_have_nothing or len(source.id) > LETTERS:
        return ""
    return f'.named("{source.id}", parallelism={2 * source.tasks}) reads more files at once'
