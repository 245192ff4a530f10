"""Metrics too large to send with every status request: one row per channel, or per vertex and second."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sabotnb.execution.job_run import JobRun

MICRO = 1_000_000


def channel_rows(job: JobRun) -> Iterator[dict[str, Any]]:
    """Each channel that holds unread bytes: its edge and tasks, bytes held, credit left, fullness, time to consume."""
    edges = {edge.index: edge for edge in job.topology.edges}
    for task in job.tasks.values():
        for queue in task.queues:
            yield {
                "edge": edges[queue.edge].path,
                "sender": queue.sender,
                "receiver": task.attempt.task.index,
                "held": queue.held,
                "credit": queue.credit,
                "fill": queue.held / max(1, queue.held + queue.credit),
                "queue_seconds": queue.seconds,
            }


def history_rows(job: JobRun, ahead: float) -> Iterator[dict[str, Any]]:
    """Each vertex at each second that is kept, the oldest first; ``time`` in microseconds since the epoch.

    ``ahead`` is by how much the time of the day is ahead of the machine's clock.
    """
    for at, vertices in job.history:
        for vertex, moment in vertices.items():
            yield {
                "time": int((at + ahead) * MICRO),
                "vertex": vertex,
                "rows_rate": moment.rate,
                "busy": moment.busy,
                "idle": moment.idle,
                "backpressured": moment.backpressured,
                "queued": moment.queued,
            }
