"""Counters of tasks, metrics of jobs computed from them, and the sentence that explains a job."""

from sabotnb.metrics.counters import COUNTS_IN, COUNTS_OUT, TaskCounters, WatermarkHolder
from sabotnb.metrics.going_on import going_on
from sabotnb.metrics.histogram import Histogram, merged
from sabotnb.metrics.history import History, Moment
from sabotnb.metrics.job_metrics import (
    MANY_LATE,
    MOST_DOTS,
    EdgeMetrics,
    Finding,
    JobFailure,
    JobMetrics,
    Latency,
    Load,
    OperatorMetrics,
    Share,
    TaskDot,
    TaskMetrics,
    Throughput,
    VertexMetrics,
    checkpoints_failed,
    lag_of,
    started_again,
    without_tasks,
)
from sabotnb.metrics.prometheus import prometheus_text
from sabotnb.metrics.reports import NOTHING, Report, Reports
from sabotnb.metrics.why import stopped_early, why

__all__ = [
    "COUNTS_IN",
    "COUNTS_OUT",
    "MANY_LATE",
    "MOST_DOTS",
    "NOTHING",
    "EdgeMetrics",
    "Finding",
    "Histogram",
    "History",
    "JobFailure",
    "JobMetrics",
    "Latency",
    "Load",
    "Moment",
    "OperatorMetrics",
    "Report",
    "Reports",
    "Share",
    "TaskCounters",
    "TaskDot",
    "TaskMetrics",
    "Throughput",
    "VertexMetrics",
    "WatermarkHolder",
    "checkpoints_failed",
    "going_on",
    "lag_of",
    "merged",
    "prometheus_text",
    "started_again",
    "stopped_early",
    "why",
    "without_tasks",
]
