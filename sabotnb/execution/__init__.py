"""Control decisions, all of them pure: the machine, slots, placement, states."""

from sabotnb.execution.machine import Machine
from sabotnb.execution.placement import STRATEGIES, SlotRequest
from sabotnb.execution.slots import Slot, SlotPool, SlotStatistics

__all__ = ["STRATEGIES", "Machine", "Slot", "SlotPool", "SlotRequest", "SlotStatistics"]
