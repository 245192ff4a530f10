"""Measures how much of a task's time it is busy, idle and backpressured."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from sabotnb.metrics import TaskCounters


class Activity(str, Enum):
    """What a task spends its time on."""

    BUSY = "busy"
    IDLE = "idle"
    BACKPRESSURED = "backpressured"


class _Times(NamedTuple):
    """Seconds of each activity until ``since``, and the activity since then; None if the stopwatch does not run."""

    busy: float = 0.0
    idle: float = 0.0
    backpressured: float = 0.0
    activity: Activity | None = None
    since: float = 0.0

    def until(self, now: float, activity: Activity | None) -> _Times:
        """Return the times at ``now``, when ``activity`` begins."""
        spent = now - self.since
        return _Times(
            self.busy + spent * (self.activity is Activity.BUSY),
            self.idle + spent * (self.activity is Activity.IDLE),
            self.backpressured + spent * (self.activity is Activity.BACKPRESSURED),
            activity,
            now,
        )


class Stopwatch:
    """Adds the time between ``start`` and ``stop`` to exactly one activity at any moment.

    The task's thread starts, switches and stops it; any thread may take a snapshot. Only snapshots have times in their
    counters. ``clock`` returns seconds.
    """

    def __init__(self, counters: TaskCounters, clock: Callable[[], float] = time.perf_counter) -> None:
        self._counters = counters
        self._clock = clock
        self._times = _Times()  # replaced as a whole, so that no reader sees half a switch

    def start(self) -> None:
        """Begin with BUSY."""
        self._begin(Activity.BUSY)

    def switch(self, activity: Activity) -> None:
        """Add the time since the last switch to the current activity, and begin ``activity``."""
        if self._times.activity is not None and self._times.activity is not activity:
            self._begin(activity)

    def stop(self) -> None:
        """Add the time since the last switch, and stop measuring."""
        self._begin(None)

    def snapshot(self) -> TaskCounters:
        """Return a copy of the task's counters with its times, the current activity included."""
        counters = self._counters.snapshot()
        times, now = self._times, self._clock()
        while times is not self._times:  # the task switched before the clock was read: the times are older than ``now``
            times, now = self._times, self._clock()
        counters.busy, counters.idle, counters.backpressured, *_ = times.until(now, None)
        return counters

    def held(self) -> float:
        """Return the seconds in which the task has waited for credit; from the task's thread, while it does not."""
        return self._times.backpressured

    def _begin(self, activity: Activity | None) -> None:
        self._times = self._times.until(self._clock(), activity)
