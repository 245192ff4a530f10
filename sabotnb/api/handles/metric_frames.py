"""Convert the metrics of a job to flat pandas tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sabotnb.metrics import EdgeMetrics, JobMetrics, Load, TaskMetrics, Throughput, VertexMetrics, lag_of

if TYPE_CHECKING:  # only for annotations: describing and previewing a stream does not load pandas
    import pandas as pd

TIMES = frozenset({"watermark", "time", "reported"})
"""Columns that hold moments: microseconds since the epoch become timestamps of UTC."""
MAY_MISS = frozenset({"lag", "latency_p50", "latency_p99", "largest_share", "queue_seconds", "skew"})
"""Columns of numbers that may be null everywhere."""
CHANNELS = ("edge", "sender", "receiver", "held", "credit", "fill", "queue_seconds")
HISTORY = ("time", "vertex", "rows_rate", "busy", "idle", "backpressured", "queued")
"""Columns of what the cluster gives as rows already (``execution.figures``)."""


def tasks(metrics: JobMetrics) -> pd.DataFrame:
    """Return a row per task."""
    empty = _task(TaskMetrics("", 0, 0, "", 0, ""), 0.0)
    return _frame([_task(task, metrics.at) for task in metrics.tasks], list(empty))


def operators(metrics: JobMetrics) -> pd.DataFrame:
    """Return a row per vertex, which is an operator or a chain of operators."""
    return _frame(
        [
            {
                "vertex": vertex.id,
                "role": vertex.role,
                "operators": " · ".join(operator.id for operator in vertex.operators),
                "tasks": vertex.tasks,
                "running": vertex.states.get("RUNNING", 0),
                **_figures(vertex, metrics.at),
                "late_share": max((operator.late_share for operator in vertex.operators), default=0.0),
                "busiest": vertex.busiest,
                "busiest_task": vertex.busiest_task,
                "skew": vertex.skew,
            }
            for vertex in metrics.vertices
        ]
    )


def edges(metrics: JobMetrics) -> pd.DataFrame:
    """Return a row per edge."""
    tasks = {vertex.id: vertex.tasks for vertex in metrics.vertices}
    nowhere = _edge(EdgeMetrics(0, "", "", "", 0, "", (), 0), {"": 0}, 0.0)
    return _frame([_edge(edge, tasks, metrics.at) for edge in metrics.edges], list(nowhere))


def channels(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a row per channel that holds something."""
    return _frame(rows, CHANNELS)


def history(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a row per operator (or chain) and second."""
    return _frame(rows, HISTORY)


def _frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> pd.DataFrame:
    """Return a flat table; ``columns`` are used if there are no rows."""
    import pandas as pd

    made = pd.DataFrame(list(rows), columns=list(columns) or None)
    for name in TIMES.intersection(made.columns):
        made[name] = pd.to_datetime(made[name], unit="us", utc=True, errors="coerce")
    for name in MAY_MISS.intersection(made.columns):
        made[name] = made[name].astype("float64")
    return made


def _task(task: TaskMetrics, at: float) -> dict[str, Any]:
    return {
        "vertex": task.vertex,
        "index": task.index,
        "attempt": task.attempt,
        "agent": task.agent,
        "slot": task.slot,
        "state": task.state,
        **_figures(task, at),
        "ahead": task.ahead,
        "failures": task.failures,
        "reported": None if task.reported is None else int(task.reported * 1e6),
    }


def _edge(edge: EdgeMetrics, tasks: Mapping[str, int], at: float) -> dict[str, Any]:
    return {
        "edge": edge.id,
        "type": edge.type,
        "keys": ", ".join(edge.keys),
        "senders": tasks[edge.up],
        "receivers": tasks[edge.down],
        "rows": edge.sent.rows,
        "bytes": edge.sent.bytes,
        "rows_rate": edge.sent.rows_rate,
        "bytes_rate": edge.sent.bytes_rate,
        "queued": edge.queued,
        "fill": edge.fill,
        "queue_seconds": edge.queue_seconds,
        "largest_share": edge.shares[0].part if edge.shares else None,
        "watermark": edge.watermark,
        "lag": lag_of(edge.watermark, at),
    }


def _figures(metrics: TaskMetrics | VertexMetrics, at: float) -> dict[str, Any]:
    """The metrics that tasks and vertices have in common."""
    return {
        **_flow(metrics.into, "in"),
        **_flow(metrics.out, "out"),
        **_load(metrics.load),
        "queued": metrics.queued,
        "fill": metrics.fill,
        "queue_seconds": metrics.queue_seconds,
        "state_keys": metrics.state_keys,
        "state_bytes": metrics.state_bytes,
        "spilled_bytes": metrics.spilled_bytes,
        "cut_pause": metrics.cut_pause,
        "watermark": metrics.watermark,
        "lag": lag_of(metrics.watermark, at),
        "latency_p50": metrics.latency.p50 if metrics.latency else None,
        "latency_p99": metrics.latency.p99 if metrics.latency else None,
        "late": metrics.late,
    }


def _flow(flow: Throughput, way: str) -> dict[str, Any]:
    return {
        f"rows_{way}": flow.rows,
        f"batches_{way}": flow.batches,
        f"bytes_{way}": flow.bytes,
        f"rows_{way}_rate": flow.rows_rate,
        f"batches_{way}_rate": flow.batches_rate,
        f"bytes_{way}_rate": flow.bytes_rate,
    }


def _load(load: Load) -> dict[str, float]:
    return {"busy": load.busy, "idle": load.idle, "backpressured": load.backpressured}
