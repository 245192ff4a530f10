"""Event time: clocks of splits, which rows are delayed, and the windows that a time belongs to."""

from sabotnb.eventtime.microseconds import EARLIEST, LATEST, Times, microseconds
from sabotnb.eventtime.split_clock import DelayedRows, SplitClock

__all__ = ["EARLIEST", "LATEST", "DelayedRows", "SplitClock", "Times", "microseconds"]
