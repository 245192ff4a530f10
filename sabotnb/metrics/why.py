"""What holds a job up, in a sentence: rules over its metrics, of which the first that applies speaks.

Backpressure has its root where it ends: at an operator that is busy itself while what is above it waits for room.
A rule that cannot tell keeps silent, and when none can, the finding says so. All thresholds are far from each other,
so that figures that wobble do not make the sentence jump.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sabotnb.metrics.job_metrics import EdgeMetrics, Finding, JobMetrics, VertexMetrics

BLOCKED = 0.3
"""Waits for room for this share of its time: something below holds it up."""
LEAKING = 0.15
"""Waits that little: it may have its own share in what it waits for."""
LOADED = 0.6
"""Busy for this share of its time: it can hold others up."""
FULL = 0.8
"""Busy for this share: it decides how fast the job is, even if nobody waits for room."""
SPARE = 0.35
"""Busy for at most this share: it could do much more."""
WAITING = 0.7
"""A source that has nothing to read for this share of its time is not held up by anything here."""
QUEUED = 0.25
"""Its fullest channel is that full: rows come faster than it takes them, though nobody has to wait for room yet."""
HOT = 1.5
"""A task that gets this many times its even share of the rows has a hot key, or there are few keys."""
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
            return Finding(
                "ended", "", f"The job has finished: {_rows(job.rows_in.rows)} in, {_rows(job.rows_out.rows)} out."
            )
        case "CANCELED":
            return Finding("ended", "", "The job was canceled and its output removed.", "run its cell again")
        case "CANCELING":
            return Finding("ended", "", "The job is being canceled.")
        case "COMMITTING":
            return Finding("ended", "", "All rows are through; the output is being published.")
    return None


def _failed(job: JobMetrics) -> Finding | None:
    if job.state not in ("FAILED", "FAILING"):
        return None
    if job.error is None:
        return Finding("failed", "", "The job failed, and nothing is known of the reason.", "job.wait() raises it")
    at = job.error.operator or job.error.vertex
    said = job.error.message.strip().partition("\n")[0] or job.error.kind
    sentence = said if not at or at in said else f"{_short(at)} failed: {said}"
    return Finding("failed", at, sentence, 'on_error="side" puts such rows aside' if _may_set_aside(job, at) else "")


def _may_set_aside(job: JobMetrics, operator: str) -> bool:
    """True if the operator that failed is one that takes ``on_error``."""
    kinds = {one.id: kind for vertex in job.vertices for one, kind in zip(vertex.operators, vertex.kinds, strict=False)}
    assert job.error is not None
    return job.error.kind == "UserFunctionError" and kinds.get(operator) in ("map", "map_rows")


def _waiting(job: JobMetrics) -> Finding | None:
    if job.state != "PENDING":
        return None
    return Finding(
        "waiting",
        "",
        f"The job waits for slots: it {job.waits}." if job.waits else "The job waits for slots.",
        "sb.jobs() shows who holds them; env.scale(n) adds workers",
    )


def _paused(job: JobMetrics) -> Finding | None:
    if not job.paused:
        return None
    return Finding("paused", "", "The job is paused: its sources read nothing.", f"sb.attach({job.job!r}).resume()")


def _starting(job: JobMetrics) -> Finding | None:
    if job.state == "DEPLOYING":
        ready = sum(task.state in ("RUNNING", "FINISHED") for task in job.tasks)
        return Finding("starting", "", f"{ready} of {len(job.tasks)} tasks are ready; sources read when all are.")
    if any(_measured(vertex) for vertex in job.vertices):
        return None
    if job.tasks and all(task.state == "FINISHED" for task in job.tasks):
        return Finding("ended", "", "All tasks are done; the job is about to end.")
    return Finding("starting", "", "The job has just started; there are no figures yet.")


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
            f"{_short(first.id)} waits for room below for {_percent(first.load.backpressured)} of its time, "
            "but nothing below it is busy: rows come in bursts, or the connection between workers is slow.",
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
    """A task without an edge below it that waits for room holds rows that this notebook has not fetched."""
    name = sink.operators[-1].id if sink.operators else sink.id
    what = "The callback in this notebook" if name in sink.functions else "This notebook"
    return Finding(
        "sink",
        name,
        f"{what} takes the rows of {_short(name)} more slowly than they come, and everything above waits for it.",
        '.sink_parquet("rows") writes on the workers; .sink_live() keeps the last rows and waits for nobody',
    )


def _skewed(job: JobMetrics, vertex: VertexMetrics) -> Finding | None:
    """One task has nearly all the work of its vertex."""
    running = vertex.states.get("RUNNING", 0)
    if running < 2:
        return None
    others = (vertex.load.busy * running - vertex.busiest) / (running - 1)
    if others > SPARE:
        return None
    hot, share = max(((edge, _share(edge, vertex.busiest_task)) for edge in _into(job, vertex)), key=lambda one: one[1])
    of = f"{_short(vertex.id)} holds the job up: task {vertex.busiest_task} of its {vertex.tasks} is busy"
    if share * vertex.tasks < HOT:
        sentence = (
            f"{of} for {_percent(vertex.busiest)} of its time and the others wait, though rows are spread evenly."
        )
        return Finding("skew", vertex.id, sentence, f"job.probe({vertex.id!r}) shows what its rows are")
    keys = ", ".join(map(_short, hot.keys))
    cause = f"one value of {keys} is hot, or there are few" if keys else "they are spread unevenly"
    sentence = f"{of}, as it gets {_percent(share)} of the rows: {cause}."
    return Finding("skew", vertex.id, sentence, f"job.probe({vertex.id!r}) shows the values that come most often")


def _busy(job: JobMetrics, vertex: VertexMetrics, consequence: str) -> Finding:
    """A vertex whose tasks are all at work, and with what."""
    operator, kind = _worker(vertex)
    doing = {"map_rows": " in a Python function that is called for each row", "sink": " with writing"}.get(kind, "")
    if not doing and operator in vertex.functions:
        doing = " in a Python function"
    running = vertex.states.get("RUNNING", 0)
    tasks = f"its {running} tasks are" if running > 1 else "its only task is"
    if running < vertex.tasks:
        tasks = f"{running} of its {vertex.tasks} tasks {'is' if running == 1 else 'are'}"
    sentence = (
        f"{_short(operator)} holds the job up: {tasks} busy for {_percent(vertex.busiest)} of the time{doing}, "
        f"and {consequence}."
    )
    return Finding("sink" if kind == "sink" else "busy", operator, sentence, _relief(job, vertex, operator, kind))


def _worker(vertex: VertexMetrics) -> tuple[str, str]:
    """The operator of the chain that most likely takes the time, and its kind: a function of the user's, else the last.

    Of chains that begin with a source, the source: what reads and decodes files takes longer than expressions do.
    Functions of sources and sinks run in threads of their own.
    """
    chain = [(one.id, kind) for one, kind in zip(vertex.operators, vertex.kinds, strict=False)]
    functions = [(name, kind) for name, kind in chain if name in vertex.functions and kind not in ("source", "sink")]
    rows = [(name, kind) for name, kind in functions if kind == "map_rows"]
    whole = [(vertex.id, vertex.role)] if vertex.role == "source" or not chain else [chain[-1]]
    return (rows or functions or whole)[-1]


def _relief(job: JobMetrics, vertex: VertexMetrics, operator: str, kind: str) -> str:
    if vertex.role == "source" and vertex.states.get("RUNNING", 0) < vertex.tasks:
        return f".rebalance() before it gives rows to all of its {vertex.tasks} tasks"
    if kind == "map_rows":
        return ".map_batches(...) calls the function once for many rows"
    if kind == "sort":
        return ".top(n, by=...) instead of .sort(...) keeps only what is looked at"
    if any(edge.type == "gather" for edge in _into(job, vertex)):
        return ".filter(...) before it leaves it fewer rows: it needs all of them in one task"
    name = f"{operator!r}, " if len(operator) <= LETTERS else ""
    return f".named({name}parallelism={2 * vertex.tasks})".replace("'", '"')


def _busiest(job: JobMetrics) -> Finding | None:
    """Nobody waits for room, but somebody works nearly all the time."""
    vertex = max(_running(job), key=lambda vertex: vertex.busiest)
    if vertex.busiest < FULL:
        return None
    operator, kind = _worker(vertex)
    if kind == "source":
        sentence = f"{_short(vertex.id)} reads as fast as it can, and everything below keeps up."
        return Finding("busy", vertex.id, sentence, _faster_source(vertex))
    if vertex.role == "source":
        return _busy(job, vertex, "everything below waits for it")
    if vertex.fill >= QUEUED:
        return _skewed(job, vertex) or _busy(job, vertex, f"{_megabytes(vertex.queued)} of rows wait for it")
    if not any(one.role == "source" for one in _running(job)):
        return _busy(job, vertex, "the sources are at their end")
    sentence = (
        f"{_short(vertex.id)} is busy for {_percent(vertex.busiest)} of the time and keeps up, with little to spare."
    )
    return Finding("even", vertex.id, sentence, _relief(job, vertex, operator, kind))


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
        f"The watermark waits for {_short(silent.id)}, which has given no row for {silence} "
        f"and is {gap} of event time behind."
    )
    return Finding("watermark", silent.id, sentence, 'idle="5s" of its source goes on without it')


def _idle(job: JobMetrics) -> Finding | None:
    sources = _sources(job)
    if not sources or any(source.idle_since is None for source in sources):
        return None
    since = max(source.idle_since for source in sources if source.idle_since is not None)
    sentence = f"Nothing has come from {_listed(sources)} for {_seconds(job.at - since)}; all that came is done."
    return Finding("idle", sources[0].id, sentence)


def _source(job: JobMetrics) -> Finding | None:
    sources = _sources(job)
    if not sources or any(source.load.idle < WAITING for source in sources):
        return None
    gives, wait = ("gives", "waits") if len(sources) == 1 else ("give", "wait")
    rows = _rows(_rounded(job.rows_in.rows_rate))
    sentence = (
        f"{_listed(sources)} {gives} about {rows} per second and mostly {wait} for more; everything below keeps up."
    )
    return Finding("source", sources[0].id, sentence)


def _even(job: JobMetrics) -> Finding | None:
    busiest = max(_running(job), key=lambda vertex: vertex.busiest)
    name, share = _worker(busiest)[0], _percent(busiest.busiest)
    return Finding(
        "even", "", f"Nothing holds the job up: the busiest operator, {_short(name)}, works {share} of the time."
    )


_RULES: tuple[Rule, ...] = (
    _ended,
    _failed,
    _waiting,
    _paused,
    _starting,
    _held_up,
    _busiest,
    _watermark,
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


def _share(edge: EdgeMetrics, task: int) -> float:
    return edge.shares[task] if task < len(edge.shares) else 0.0


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


def _megabytes(nbytes: int) -> str:
    """To two digits, for what grows."""
    return f"{float(f'{nbytes / (1 << 20):.1e}'):,g} MB"


def _seconds(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"
