"""The rules for windows: which moment of event time their results wait for, and what holds the watermark back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath

from sabotnb.metrics.counters import WatermarkHolder
from sabotnb.metrics.job_metrics import MANY_LATE, Finding, JobMetrics, OperatorMetrics, TaskMetrics, VertexMetrics
from sabotnb.metrics.why.moment_text import moments
from sabotnb.metrics.why.wording import exact_percent, short

PATIENCE = 5.0
"""Seconds after its start from which a job without output is reported."""
FAR = 10_000_000
"""Microseconds of event time that a window must be away to be reported by a job that has had output."""
QUIET = 1.0
"""Seconds without rows from which a split counts as idle in sentences."""
LEAVE_OUT = 'idle="5s" on its source lets the watermark advance without it'
KEEP_LATE = 'a larger max_delay= on the source waits for them; .side("late") keeps them'
EARLY = '.window(..., early="5s") returns results so far'


def first_window(job: JobMetrics) -> Finding | None:
    """Report what an endless job waits for that has had no output yet."""
    return None if job.bounded else _no_output_yet(job)


def window(job: JobMetrics) -> Finding | None:
    """Report what a job waits for while none of its windows ends."""
    if job.rows_out.rows == 0:
        return _no_output_yet(job)
    if job.rows_out.rows_rate > 0:
        return None
    for vertex, operator in _awaiting(job):
        if operator.watermark is None or (operator.awaited or 0) - operator.watermark >= FAR:
            return _waits(job, vertex, operator, "No new rows")
    return None


def late(job: JobMetrics) -> Finding | None:
    """Report an operator with many late rows."""
    operators = (operator for vertex in job.vertices for operator in vertex.operators)
    most = max(operators, key=lambda operator: operator.late_share, default=None)
    if most is None or most.late_share <= MANY_LATE:
        return None
    share = exact_percent(most.late_share)
    sentence = f"{share} of the rows into {short(most.id)} come too late: their windows have ended."
    return Finding("late", most.id, sentence, KEEP_LATE)


def _no_output_yet(job: JobMetrics) -> Finding | None:
    if job.rows_out.rows or job.started is None or job.at - job.started < PATIENCE:
        return None
    found = next(((vertex, operator) for vertex, operator in _awaiting(job) if not operator.rows), None)
    return None if found is None else _waits(job, *found, "No rows yet")


def _awaiting(job: JobMetrics) -> Iterator[tuple[VertexMetrics, OperatorMetrics]]:
    return (
        (vertex, operator) for vertex in job.vertices for operator in vertex.operators if operator.awaited is not None
    )


def _waits(job: JobMetrics, vertex: VertexMetrics, operator: OperatorMetrics, lead: str) -> Finding:
    assert operator.awaited is not None
    end, now = moments(operator.awaited, operator.watermark, job.at)
    held, advice = _held(job, vertex, known=operator.watermark is not None)
    watermark = "there is no watermark yet" if operator.watermark is None else f"the watermark is {now}"
    name = operator.part_of or operator.id
    sentence = f"{lead}: {short(name)} waits for {end}; {watermark}{held}."
    return Finding("waiting", name, sentence, advice)


def _held(job: JobMetrics, vertex: VertexMetrics, *, known: bool) -> tuple[str, str]:
    """Say what holds the watermark of a vertex back, and what to do about it."""
    task = _slowest_reader(job, vertex)
    if task is None or task.holder is None:
        return (", and stands still as no input has rows" if known else ""), EARLY
    name = _file(task.holder.split) or short(task.vertex)
    others = any(other is not task and not other.over and other.holder and other.holder.split for other in job.tasks)
    if task.holder.quiet >= QUIET:
        return f", held by {name} (idle {task.holder.quiet:.0f} s)", LEAVE_OUT if others else EARLY
    if not known:
        return f": {name} has none", EARLY
    return f", held by {name}" if others else "", EARLY  # a source alone holds nothing back


def _slowest_reader(job: JobMetrics, vertex: VertexMetrics) -> TaskMetrics | None:
    """Follow what holds the watermark back from task to task, up to one that reads a split; None if nothing does."""
    tasks = {(task.vertex, task.index): task for task in job.tasks}
    running = [task for task in job.tasks if task.vertex == vertex.id and not task.over]
    task = min(running, key=_watermark, default=None)
    for _ in job.vertices:  # a path is no longer than that
        if task is None or task.holder is None:
            return None
        if task.holder.split:
            return task
        task = _sender(job, task, task.holder, tasks)
    return None


def _sender(
    job: JobMetrics, task: TaskMetrics, holder: WatermarkHolder, tasks: Mapping[tuple[str, int], TaskMetrics]
) -> TaskMetrics | None:
    ups = (edge.up for edge in job.edges if (edge.down, edge.port) == (task.vertex, holder.port))
    return next((tasks.get((up, holder.channel)) for up in ups), None)


def _watermark(task: TaskMetrics) -> float:
    return float("-inf") if task.watermark is None else task.watermark


def _file(split: str) -> str:
    """The name of the file of a split; empty if it is not of a file."""
    name = PurePath(split).name
    stem, _, part = name.rpartition(":")
    return (stem if stem and part.isdigit() else name) if name != split else ""
