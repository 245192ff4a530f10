"""Writes the metrics of jobs in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sabotnb.metrics.job_metrics import EdgeMetrics, JobMetrics, TaskMetrics

if TYPE_CHECKING:  # imported on use: only a process that serves the text needs the package
    from prometheus_client.metrics_core import Metric

MetricSpec = tuple[str, str, Callable[[Any], float | None]]
"""Name (of a counter: with ``_total``), description, and a function that reads the value; None for no sample."""

JOB: Sequence[MetricSpec] = (
    ("rows_in_total", "Rows read by sources", lambda job: job.rows_in.rows),
    ("rows_out_total", "Rows taken by sinks", lambda job: job.rows_out.rows),
    ("late_rows_total", "Late rows", lambda job: job.late),
    ("ahead_rows_total", "Rows with times more than a day ahead of their arrival", lambda job: job.ahead),
    ("paused", "1 while the job is paused", lambda job: float(job.paused)),
    ("progress_ratio", "Share of a bounded input that was read", lambda job: job.progress),
    ("watermark_lag_seconds", "Lag of the lowest watermark of a sink behind the clock", lambda job: job.lag),
)
TASK: Sequence[MetricSpec] = (
    ("rows_in_total", "Rows received", lambda task: task.into.rows),
    ("rows_out_total", "Rows emitted", lambda task: task.out.rows),
    ("batches_in_total", "Batches received", lambda task: task.into.batches),
    ("batches_out_total", "Batches emitted", lambda task: task.out.batches),
    ("bytes_in_total", "Bytes received", lambda task: task.into.bytes),
    ("bytes_out_total", "Bytes emitted", lambda task: task.out.bytes),
    ("late_rows_total", "Late rows", lambda task: task.late),
    ("ahead_rows_total", "Rows with times more than a day ahead of their arrival", lambda task: task.ahead),
    ("busy_ratio", "Share of the last seconds spent busy", lambda task: task.load.busy),
    ("idle_ratio", "Share of the last seconds spent idle", lambda task: task.load.idle),
    ("backpressured_ratio", "Share of the last seconds spent backpressured", lambda task: task.load.backpressured),
    ("queued_bytes", "Bytes queued in its input gate", lambda task: task.queued),
    ("queue_fill_ratio", "How full its fullest channel is", lambda task: task.fill),
    ("queue_seconds", "Time that it takes to consume what is queued", lambda task: task.queue_seconds),
    ("watermark_seconds", "Event time of its input since the epoch", lambda task: _seconds(task.watermark)),
    ("state_keys", "Keys in its state", lambda task: task.state_keys),
    ("state_bytes", "Memory used by its state", lambda task: task.state_bytes),
    ("spilled_bytes_total", "Bytes of rows written to temporary files", lambda task: task.spilled_bytes),
    ("cut_pause_seconds", "Longest time without processing rows at a checkpoint", lambda task: task.cut_pause),
    ("latency_p50_seconds", "Median latency from the sources", lambda task: task.latency and task.latency.p50),
    ("latency_p99_seconds", "99th percentile latency from the sources", lambda task: task.latency and task.latency.p99),
)
OPERATOR: Sequence[MetricSpec] = (
    ("rows_out_total", "Rows emitted", lambda operator: operator.rows),
    ("late_rows_total", "Late rows", lambda operator: operator.late),
    ("watermark_seconds", "Event time of its input since the epoch", lambda operator: _seconds(operator.watermark)),
)
EDGE: Sequence[MetricSpec] = (
    ("rows_total", "Rows sent", lambda edge: edge.sent.rows),
    ("bytes_total", "Bytes sent", lambda edge: edge.sent.bytes),
    ("queued_bytes", "Bytes queued in its channels", lambda edge: edge.queued),
    ("queue_fill_ratio", "How full its fullest channel is", lambda edge: edge.fill),
    ("queue_seconds", "Time to consume what is queued, of the slowest receiver", lambda edge: edge.queue_seconds),
    ("watermark_seconds", "Event time sent since the epoch", lambda edge: _seconds(edge.watermark)),
)


def prometheus_text(jobs: Sequence[JobMetrics]) -> bytes:
    """Return the metrics of ``jobs`` as text; those of tasks and edges only while a job runs."""
    from prometheus_client import generate_latest

    return generate_latest(_Collected(_families(jobs)))  # it calls ``collect`` only


class _Collected:
    """Has the method of a registry that ``generate_latest`` calls."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self.collect = lambda: families


def _families(jobs: Sequence[JobMetrics]) -> Iterable[Metric]:
    from prometheus_client.metrics_core import GaugeMetricFamily

    state = GaugeMetricFamily("sabotnb_job_state", "The state that the job is in", labels=["job", "state"])
    for job in jobs:
        state.add_metric([job.job, job.state], 1)
    yield state
    yield from _group("job", ["job"], JOB, [([job.job], job) for job in jobs])
    running = [job for job in jobs if not job.terminal]
    tasks = [(_labels(job, task), task) for job in running for task in job.tasks]
    yield from _group("task", ["job", "vertex", "task", "agent"], TASK, tasks)
    operators = [
        ([job.job, operator.id], operator)
        for job in running
        for vertex in job.vertices
        for operator in vertex.operators
    ]
    yield from _group("operator", ["job", "operator"], OPERATOR, operators)
    edges = [([job.job, _path(edge)], edge) for job in running for edge in job.edges]
    yield from _group("edge", ["job", "edge"], EDGE, edges)


def _group(
    level: str, labels: Sequence[str], metrics: Sequence[MetricSpec], labeled: Sequence[Any]
) -> Iterable[Metric]:
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

    for name, description, read in metrics:
        kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        family = kind(f"sabotnb_{level}_{name}", description, labels=labels)
        for values, source in labeled:
            value = read(source)
            if value is not None:
                family.add_metric(values, value)
        yield family


def _labels(job: JobMetrics, task: TaskMetrics) -> list[str]:
    return [job.job, task.vertex, str(task.index), task.agent]


def _seconds(us: int | None) -> float | None:
    return None if us is None else us / 1e6


def _path(edge: EdgeMetrics) -> str:
    return f"{edge.up}->{edge.down}:{edge.port}"
