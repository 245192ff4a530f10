"""Computes which part of its input a job has read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sabotnb.execution.job_run import JobRun, TaskVertex
from sabotnb.protocol import JobState, Split, TaskState

MOST = 0.99
"""The progress shown while a source is being read is at most this, because sizes are estimates."""


@dataclass(frozen=True, slots=True)
class _Part:
    """The size of a source, as far as it is known, and the part of it that was read (None: unknown)."""

    nbytes: int | None
    rows: int | None
    read: float | None
    ended: bool


def progress(job: JobRun) -> float | None:
    """The part of the input that was read, from 0 to 1; it never falls, and is 1 when every source has ended by itself.

    None for endless jobs, and while a source of unknown size is being read. Sources are weighted by bytes, by rows if
    not all know their bytes, and equally if they have no common measure.
    """
    if not job.topology.bounded:
        return None
    if job.state is JobState.FINISHED and not job.stopping:
        return 1.0
    sources: dict[str, list[TaskVertex]] = {vertex: [] for vertex, splits in job.request.splits.items() if splits}
    for id_, task in job.tasks.items():
        if id_.vertex in sources:
            sources[id_.vertex].append(task)
    parts = [_part(tasks, job.request.splits[vertex], stopped=job.stopping) for vertex, tasks in sources.items()]
    known = [(part.read, weight) for part, weight in zip(parts, _weights(parts), strict=True) if part.read is not None]
    if not parts or len(known) < len(parts):
        return None
    if all(part.ended for part in parts):
        return 1.0
    return min(MOST, sum(read * weight for read, weight in known) / sum(weight for _, weight in known))


def _part(tasks: Sequence[TaskVertex], splits: Sequence[Split], *, stopped: bool) -> _Part:
    ended = not stopped and bool(tasks) and all(task.state is TaskState.FINISHED for task in tasks)
    nbytes = _total([split.nbytes or None for split in splits])
    rows = _total([split.rows for split in splits])
    return _Part(nbytes, rows, 1.0 if ended else _read(tasks, nbytes, rows), ended)


def _read(tasks: Sequence[TaskVertex], nbytes: int | None, rows: int | None) -> float | None:
    """The greater of two lower bounds: bytes of the splits read completely, and rows read."""
    by_bytes = sum(task.counters.bytes_done for task in tasks) / nbytes if nbytes else None
    by_rows = sum(task.counters.rows_in for task in tasks) / rows if rows else None
    return max((min(1.0, read) for read in (by_bytes, by_rows) if read is not None), default=None)


def _weights(parts: Sequence[_Part]) -> list[int]:
    for sizes in ([part.nbytes for part in parts], [part.rows for part in parts]):
        known = [size for size in sizes if size]
        if len(known) == len(parts):
            return known
    return [1] * len(parts)


def _total(sizes: Sequence[int | None]) -> int | None:
    """The sum, if every split knows its size."""
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None
