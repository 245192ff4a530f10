"""What holds a job up, in a sentence: rules over its metrics, of which the first that applies speaks.

Backpressure has its root where it ends: at an operator that is busy itself while what is upstream waits for it.
A rule that cannot tell keeps silent, and when none can, the finding says so. All thresholds are far from each other,
so that figures that wobble do not make the sentence jump.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sabotnb.metrics.job_metrics import EdgeMetrics, Finding, JobMetrics, VertexMetrics

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
WAITING = 0.7
"""A source that has nothing to read for this share of its time is not held up by anything here."""
QUEUED = 0.25
"""Its fullest channel is that full: rows come faster than it takes them, though nobody is backpressured yet."""
LATE = 2.0
"""Seconds that half of the rows need at least to come through an operator that has a queue before it."""
GAINING = 1.3
"""Rows come that many times as fast as they are taken: more than lots of different sizes explain."""
HOT = 1.5
"""A task that gets this many times its even share of the rows has a hot key, or there are few keys."""
PATIENCE = 5.0
"""Seconds after which a job without output is asked why."""
NOTHING = "returns nothing for"
AT_THE_END = ("aggregate", "reduce", "top", "sort")
"""Kinds of operators that know their result of bounded input when that has ended."""
WATERMARK_GAP = 5_000_000
"""Microseconds of event time by which a silent source has to be behind before it is said to hold the watermark."""
LETTERS = 48
"""Of a name in a sentence."""

Rule = Callable[[JobMetrics], Finding | None]


def why(metrics: JobMetrics) -> Finding:
    """Say how the job goes, which operator decides that, and what to do about it."""
    return next(finding for rule in _RULES if (finding := rule(metrics)) is not None)


# Jobs that do not run


def _ended(job: JobMetrics) -> Finding | None:
    match job.state:
        case "FINISHED":
            end = _stopped(job) if job.stopping else "The job has finished"
            return Finding("ended", "", f"{end}: {_rows(job.rows_in.rows)} in, {_rows(job.rows_out.rows)} out.")
        case "CANCELED":
            return _canceled(job)
        case "CANCELING":
            return Finding("ended", "", "The job is being canceled.")
        case "COMMITTING":
            return Finding("ended", "", "All rows are processed; the output is being published.")
    return None


def _stopped(job: JobMetrics) -> str:
    early = stopped_early(job)
    return f"The job was stopped after {early}" if early else "The job was stopped"


def stopped_early(job: JobMetrics) -> str:
    """How much was read when the job was stopped, ``12 % of its input``; empty if that was all, or had no end."""
    if not job.stopping or not job.bounded or job.progress is None or job.progress >= 1:
        return ""
    return f"{_part(job.progress)} of its input"


def _canceled(job: JobMetrics) -> Finding:
    if job.error is not None and job.error.kind == "JobReplaced":
        return Finding("ended", "", "A newer run has replaced this one.", f"sb.attach({job.job!r}) is the newer run")
    if job.error is not None:
        return Finding("ended", "", job.error.message)
    if job.started is None:
        return Finding("ended", "", "The job was canceled before it started.", ".run() starts it again")
    removed = " and its output removed" if job.publishes else ""
    return Finding("ended", "", f"The job was canceled{removed}.", ".run() starts it again")


def _failed(job: JobMetrics) -> Finding | None:
    if job.state not in ("FAILED", "FAILING"):
        return None
    if job.error is None:
        return Finding("failed", "", "The job failed without a reason: see the worker logs.")
    at = job.error.operator or job.error.vertex
    reason = job.error.message.strip().partition("\n")[0] or job.error.kind
    sentence = reason if not at or at in reason else f"{_short(at)} failed: {reason}"
    return Finding("failed", at, sentence, 'on_error="side" sets such rows aside' if _may_set_aside(job, at) else "")


def _may_set_aside(job: JobMetrics, operator: str) -> bool:
    """True if the operator that failed is one that takes ``on_error``."""
    kinds = {one.id: kind for vertex in job.vertices for one, kind in zip(vertex.operators, vertex.kinds, strict=False)}
    assert job.error is not None
    return job.error.kind == "UserFunctionError" and kinds.get(operator) in ("map", "map_rows")


def _waiting(job: JobMetrics) -> Finding | None:
    if job.state != "PENDING":
        return None
    if job.waits_for == "previous run":
        return Finding("waiting", "", f"The job {job.waits}.")
    sentence = f"The job {job.waits}." if job.waits else "The job waits for slots."
    return Finding("waiting", "", sentence, "sb.jobs() shows which jobs hold slots; env.scale(n) adds workers")


def _paused(job: JobMetrics) -> Finding | None:
    if not job.paused:
        return None
    return Finding("paused", "", "The job is paused: its sources are not reading.", f"sb.attach({job.job!r}).resume()")


def _starting(job: JobMetrics) -> Finding | None:
    if job.state == "DEPLOYING":
        ready = sum(task.state in ("RUNNING", "FINISHED") for task in job.tasks)
        sentence = f"{ready} of {len(job.tasks)} tasks are ready; sources start reading when all are."
        return Finding("starting", "", sentence)
    if any(_measured(vertex) for vertex in job.vertices):
        return None
    if job.tasks and all(task.state == "FINISHED" for task in job.tasks):
        return Finding("ended", "", "All tasks are done; the job is about to end.")
    return Finding("starting", "", "The job has just started: no figures yet.")


def _stopping(job: JobMetrics) -> Finding | None:
    if not job.stopping or job.state != "RUNNING":
        return None
    then = ", then the output is published" if job.publishes else ""
    return Finding("ended", "", f"The job is stopping: rows already read are processed{then}.")


# Jobs that run


def _held_up(job: JobMetrics) -> Finding | None:
    """Follow the backpressure down to where it comes from."""
    blocked = [vertex for vertex in _running(job) if vertex.load.backpressured >= BLOCKED]
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
            f"{_short(first.id)} is backpressured {_percent(first.load.backpressured)} of the time, "
            "but nothing downstream is busy: rows come in bursts, or the connection between workers is slow.",
            'job.metrics(per="channel") shows where rows queue',
        )
    waiting = _short(first.id)
    return _skewed(job, root) or _busy(job, root, f"{waiting} waits for it")


def _root(job: JobMetrics, start: VertexMetrics) -> VertexMetrics:
    """The vertex at which the backpressure of ``start`` ends; ``start`` itself if nothing below it runs."""
    at = start
    while below := list(_below(job, at)):
        fullest = max(below, key=_occupied)
        waits = at.load.backpressured
        deeper = max(_occupied(fullest), waits) > at.busiest
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
        f"{processes} rows of {_short(name)} more slowly than they arrive, and everything upstream waits for it.",
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
    task = f"{_short(vertex.id)} is the bottleneck: task {vertex.busiest_task} of {vertex.tasks}"
    share = _share_of_busiest(job, vertex, running)
    if share is None or share * running < HOT:
        even = "" if share is None else ", although rows are spread evenly"
        sentence = f"{task} is busy {_percent(vertex.busiest)} of the time and the others wait{even}."
        return Finding("skew", vertex.id, sentence, f"job.probe({vertex.id!r}) shows its rows")
    sentence = f"{task} gets {_percent(share)} of the rows; {_cause_of_skew(job, vertex)}."
    return Finding("skew", vertex.id, sentence, f"job.probe({vertex.id!r}) shows the most frequent keys")


def _share_of_busiest(job: JobMetrics, vertex: VertexMetrics, running: int) -> float | None:
    """The busiest task's part of the rows; None if that is not known.

    Behind several edges, as in a join, only the task with most rows is known, and how many times the mean it has.
    """
    known = [share for edge in _into(job, vertex) for share in edge.shares if share.task == vertex.busiest_task]
    if known:
        return known[0].part
    if vertex.skew is None or (vertex.skew_task != vertex.busiest_task and vertex.skew >= HOT):
        return None
    return vertex.skew / running


def _cause_of_skew(job: JobMetrics, vertex: VertexMetrics) -> str:
    keys = max((edge.keys for edge in _into(job, vertex)), key=len, default=())
    if not keys:
        return "they are spread unevenly"
    key = ", ".join(map(_short, keys))
    return f"one {key if len(keys) == 1 else f'({key})'} key is hot, or there are too few distinct keys"


def _busy(job: JobMetrics, vertex: VertexMetrics, consequence: str) -> Finding:
    """A vertex whose tasks are all at work, and with what."""
    operator, kind = _worker(vertex)
    doing = {"map_rows": " in a Python function called for each row", "sink": " writing"}.get(kind, "")
    if not doing and operator in vertex.functions:
        doing = " in a Python function"
    running = vertex.states.get("RUNNING", 0)
    tasks = f"its {running} tasks are" if running > 1 else "its only task is"
    if running < vertex.tasks:
        tasks = f"{running} of its {vertex.tasks} tasks {'is' if running == 1 else 'are'}"
    sentence = (
        f"{_short(operator)} is the bottleneck: {tasks} busy {_percent(vertex.busiest)} of the time{doing}, "
        f"and {consequence}."
    )
    return Finding("sink" if kind == "sink" else "busy", operator, sentence, _relief(job, vertex, operator, kind))


def _worker(vertex: VertexMetrics) -> tuple[str, str]:
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
    if any(edge.type == "gather" for edge in _into(job, vertex)):
        return ".filter(...) before it leaves it fewer rows: one task has to take them all"
    name = f"{operator!r}, " if len(operator) <= LETTERS else ""
    return f".named({name}parallelism={2 * vertex.tasks})".replace("'", '"')


def _busiest(job: JobMetrics) -> Finding | None:
    """Nobody is backpressured, but somebody works nearly all the time."""
    vertex = max(_running(job), key=lambda vertex: vertex.busiest)
    if vertex.busiest < FULL:
        return None
    operator, kind = _worker(vertex)
    if kind == "source":
        sentence = f"{_short(vertex.id)} reads as fast as it can, and everything downstream keeps up."
        return Finding("busy", vertex.id, sentence, _faster_source(vertex))
    if vertex.role == "source":
        return _busy(job, vertex, "everything downstream waits for it")
    skewed = _skewed(job, vertex)
    if behind := _behind(job, vertex):
        return skewed or _busy(job, vertex, behind)
    if not any(one.role == "source" for one in _running(job)):
        return skewed or _busy(job, vertex, "the sources have no more rows")
    sentence = (
        f"{_short(operator)} is busy {_percent(vertex.busiest)} of the time: it keeps up, but has little headroom."
    )
    advice = skewed.advice if skewed else _relief(job, vertex, operator, kind)
    return Finding("even", operator, sentence, advice)


def _behind(job: JobMetrics, vertex: VertexMetrics) -> str:
    """In which way rows come faster than the vertex takes them; empty if it keeps up."""
    if vertex.fill >= QUEUED:
        return f"{_megabytes(vertex.queued)} of rows wait in its queue"
    if vertex.latency is not None and vertex.latency.p50 >= LATE:
        return f"rows take {_seconds(vertex.latency.p50)} to get through"
    sent = sum(edge.sent.rows_rate for edge in _into(job, vertex))
    return "rows arrive faster than it takes them" if sent > GAINING * vertex.into.rows_rate > 0 else ""


def _faster_source(source: VertexMetrics) -> str:
    if source.id in source.functions:
        return "yield record batches instead of dicts"
    some_have_nothing = source.states.get("RUNNING", 0) < source.tasks
    if some_have_nothing or len(source.id) > LETTERS:
        return ""
    return f'.named("{source.id}", parallelism={2 * source.tasks}) reads more files at once'


def _watermark(job: JobMetrics) -> Finding | None:
    """A source that is silent, while another goes on, lets no window end."""
    timed = [(one.watermark, one) for one in _running(job) if one.role == "source" and one.watermark is not None]
    if len(timed) < 2:
        return None
    (held, silent), (ahead, _) = min(timed, key=lambda one: one[0]), max(timed, key=lambda one: one[0])
    below = [one.watermark for one in _running(job) if one.role != "source" and one.watermark is not None]
    moves_on = bool(below) and max(below) > held
    if silent.idle_since is None or ahead - held < WATERMARK_GAP or moves_on:
        return None
    silence, gap = _seconds(job.at - silent.idle_since), _seconds((ahead - held) / 1e6)
    sentence = (
        f"The watermark is held back by {_short(silent.id)}, which has emitted no rows for {silence} "
        f"and is {gap} of event time behind."
    )
    return Finding("watermark", silent.id, sentence, 'idle="5s" on its source lets the watermark advance without it')


def _idle(job: JobMetrics) -> Finding | None:
    sources = _sources(job)
    if not sources or any(source.idle_since is None for source in sources):
        return None
    since = max(source.idle_since for source in sources if source.idle_since is not None)
    silence = _seconds(job.at - since)
    sentence = f"No rows from {_listed(sources)} for {silence}; everything read so far is processed."
    return Finding("idle", sources[0].id, sentence)


def _nothing_yet(job: JobMetrics) -> Finding | None:
    """Rows come in and none goes out: name the operator at which they end."""
    if job.rows_out.rows or not job.rows_in.rows or job.started is None or job.at - job.started < PATIENCE:
        return None
    last = {vertex.id: vertex.operators[-1].id for vertex in job.vertices if vertex.operators}
    for vertex in job.vertices:  # in the order in which rows flow
        rows, upstream = vertex.into.rows, next((last.get(edge.up, "") for edge in _into(job, vertex)), "")
        for operator, kind in zip(vertex.operators, vertex.kinds, strict=False):
            if rows and not operator.rows:
                return _ends_at(job, operator.id, kind, rows, upstream)
            rows, upstream = operator.rows, operator.id
    return None


def _ends_at(job: JobMetrics, operator: str, kind: str, rows: int, upstream: str) -> Finding | None:
    if kind in AT_THE_END and job.bounded:
        sentence = f"No rows yet: {_short(operator)} emits its result when the input ends."
        return Finding("waiting", operator, sentence, "job.progress() shows how much is left")
    what = {"filter": "lets through none of", "join": "matches none of", "map": NOTHING, "map_rows": NOTHING}.get(kind)
    if what is None:
        return None
    sentence = f"No rows yet: {_short(operator)} {what} the {_rows(rows)} that came in."
    return Finding("waiting", operator, sentence, f"job.probe({upstream!r}) shows them" if upstream else "")


def _source(job: JobMetrics) -> Finding | None:
    sources = _sources(job)
    if not sources or any(source.load.idle < WAITING for source in sources):
        return None
    emits, waits = ("emits", "waits") if len(sources) == 1 else ("emit", "wait")
    rows = _rows(_rounded(job.rows_in.rows_rate))
    sentence = (
        f"{_listed(sources)} {emits} about {rows} per second and mostly {waits} for input; "
        "everything downstream keeps up."
    )
    return Finding("source", sources[0].id, sentence)


def _even(job: JobMetrics) -> Finding | None:
    busiest = max(_running(job), key=lambda vertex: vertex.busiest)
    name, share = _worker(busiest)[0], _percent(busiest.busiest)
    return Finding("even", "", f"No bottleneck: the busiest operator, {_short(name)}, is busy {share} of the time.")


_RULES: tuple[Rule, ...] = (
    _ended,
    _failed,
    _waiting,
    _paused,
    _stopping,
    _starting,
    _held_up,
    _busiest,
    _watermark,
    _nothing_yet,
    _idle,
    _source,
    _even,
)


# Vertices and words


def _measured(vertex: VertexMetrics) -> bool:
    load = vertex.load
    return vertex.states.get("RUNNING", 0) > 0 and load.busy + load.idle + load.backpressured > 0


def _occupied(vertex: VertexMetrics) -> float:
    """Share of the time in which it could not have taken more."""
    return max(vertex.busiest, vertex.load.backpressured)


def _running(job: JobMetrics) -> list[VertexMetrics]:
    return [vertex for vertex in job.vertices if _measured(vertex)]


def _sources(job: JobMetrics) -> list[VertexMetrics]:
    return [vertex for vertex in _running(job) if vertex.role == "source"]


def _below(job: JobMetrics, vertex: VertexMetrics) -> Iterator[VertexMetrics]:
    names = {edge.down for edge in job.edges if edge.up == vertex.id}
    return (one for one in _running(job) if one.id in names)


def _into(job: JobMetrics, vertex: VertexMetrics) -> list[EdgeMetrics]:
    return [edge for edge in job.edges if edge.down == vertex.id]


def _listed(vertices: list[VertexMetrics]) -> str:
    names = [_short(vertex.id) for vertex in vertices]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _short(name: str) -> str:
    return name if len(name) <= LETTERS else name[: LETTERS - 1] + "…"


def _rows(count: float) -> str:
    return "1 row" if round(count) == 1 else f"{count:,.0f} rows"


def _rounded(count: float) -> float:
    """To two digits, for what trembles."""
    return float(f"{count:.1e}")


def _percent(share: float) -> str:
    """In steps of five, so that a sentence stays the same while a figure trembles."""
    return f"{round(share * 20) * 5} %"


def _part(share: float) -> str:
    return "less than 1 %" if share < 0.01 else f"{share * 100:.0f} %"


def _megabytes(nbytes: int) -> str:
    """To two digits, for what grows."""
    return f"{float(f'{nbytes / (1 << 20):.1e}'):,g} MB"


def _seconds(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"
