"""Event time: clocks of splits, which rows are delayed, and the windows that a time belongs to."""

from sabotnb.eventtime.delayed import (
    CLOCK,
    by_clock,
    clocks,
    delayed_schema,
    is_delayed,
    with_clock,
    with_clocks_of,
    without_clock,
)
from sabotnb.eventtime.microseconds import (
    EARLIEST,
    LATEST,
    BeyondEventTime,
    Times,
    limited_microseconds,
    microseconds,
    repeated,
    within_range,
)
from sabotnb.eventtime.split_clock import DelayedRows, SplitClock
from sabotnb.eventtime.wall_clock import wall_clock

__all__ = [
    "CLOCK",
    "EARLIEST",
    "LATEST",
    "BeyondEventTime",
    "DelayedRows",
    "SplitClock",
    "Times",
    "by_clock",
    "clocks",
    "delayed_schema",
    "is_delayed",
    "limited_microseconds",
    "microseconds",
    "repeated",
    "wall_clock",
    "with_clock",
    "with_clocks_of",
    "within_range",
    "without_clock",
]
