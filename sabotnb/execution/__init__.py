"""The decisions of the control plane as pure code: state machine, slot pool, placement, state tables."""

from sabotnb.execution.job_request import job_request
from sabotnb.execution.machine import Machine
from sabotnb.execution.placement import STRATEGIES, SlotRequest, strategy
from sabotnb.execution.slots import Slot, SlotPool, SlotStatistics

__all__ = [
    "STRATEGIES",
    "Machine",
    "Slot",
    "SlotPool",
    "SlotRequest",
    "SlotStatistics",
    "job_request",
    "strategy",
]
