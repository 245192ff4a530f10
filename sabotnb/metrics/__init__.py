"""Counters that a task keeps about itself, and what is known of a job from all of them."""

from sabotnb.metrics.counters import TaskCounters
from sabotnb.metrics.history import History, Moment
from sabotnb.metrics.job_metrics import (
    EdgeMetrics,
    Finding,
    Flow,
    JobFailure,
    JobMetrics,
    Latency,
    Load,
    OperatorMetrics,
    Share,
    TaskDot,
    TaskMetrics,
    VertexMetrics,
    without_tasks,
)
from sabotnb.metrics.latency import Histogram
from sabotnb.metrics.reports import Report, Reports

__all__ = [
    "EdgeMetrics",
    "Finding",
    "Flow",
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
    "VertexMetrics",
    "without_tasks",
]
