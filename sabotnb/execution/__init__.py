"""The decisions of the control plane as pure code: state machine, slot pool, placement, state tables."""

from sabotnb.execution.job_request import job_request, with_parallelism
from sabotnb.execution.job_run import JobRun
from sabotnb.execution.machine import Machine
from sabotnb.execution.placement import STRATEGIES, SlotRequest, strategy
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
    "job_request",
    "metrics_summary",
    "strategy",
    "with_parallelism",
]
