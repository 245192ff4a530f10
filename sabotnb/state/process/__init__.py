"""The state of process functions: declared columns and timers by key."""

from sabotnb.state.process.process_state import DeclaredColumn, ProcessState, StateKind
from sabotnb.state.process.slot_columns import ListColumn, MapColumn, SlotColumn
from sabotnb.state.process.slot_timers import LATEST, NO_TIMERS, SlotTimers, TimerRun

__all__ = [
    "LATEST",
    "NO_TIMERS",
    "DeclaredColumn",
    "ListColumn",
    "MapColumn",
    "ProcessState",
    "SlotColumn",
    "SlotTimers",
    "StateKind",
    "TimerRun",
]
