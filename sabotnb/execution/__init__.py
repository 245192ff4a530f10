"""The decisions of the control plane as pure code: state machine, slot pool, placement, state tables."""

from sabotnb.execution.graph_topology import topology_of
from sabotnb.execution.job_request import job_request, with_parallelism
from sabotnb.execution.job_run import JobRun
from sabotnb.execution.kept_cuts import is_dropped, kept_cuts, oldest_kept
from sabotnb.execution.machine import Machine
from sabotnb.execution.placement import STRATEGIES, SlotRequest, strategy
from sabotnb.execution.restoring import finished_splits, opened_splits, task_restores
from sabotnb.execution.slots import Slot, SlotPool, SlotStatistics
from sabotnb.execution.status.overview import Overview
from sabotnb.execution.status.summaries import metrics_summary

__all__ = [
    "STRATEGIES",
    "JobRun",
    "Machine",
    "Overview",
    "Slot",
    "SlotPool",
    "SlotRequest",
    "SlotStatistics",
    "finished_splits",
    "is_dropped",
    "job_request",
    "kept_cuts",
    "metrics_summary",
    "oldest_kept",
    "opened_splits",
    "strategy",
    "task_restores",
    "topology_of",
    "with_parallelism",
]
