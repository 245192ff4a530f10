"""Where a task's wall time goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from sabotnb.metrics import TaskCounters


class Activity(str, Enum):
    """What a task is doing."""

    BUSY = "busy"
    IDLE = "idle"
    BACKPRESSURED = "backpressured"


class _Times(NamedTuple):
    """Seconds of each activity until ``since``, and what goes on since then; nothing if ``activity`` is None."""

    busy: float = 0.0
    idle: float = 0.0
    backpressured: float = 0.0
    activity: Activity | None = None
    since: float = 0.0

    def until(self, now: float, activity: Activity | None) -> _Times:
        """The times at ``now``, when ``activity`` begins."""
        spent = now - self.since
        return _Times(
            self.busy + spent * (self.activity is Activity.BUSY),
            self.idle + spent * (self.activity is Activity.IDLE),
            self.backpressured + spent * (self.activity is Activity.BACKPRESSURED),
            activity,
            now,
        )


class Stopwatch:
    """Charges every moment between ``start`` and ``stop`` to exactly one activity, so that the three add up.

    The task's thread starts, switches and stops it; any thread may take a snapshot, the only place where the counters
    have their times. ``clock`` gives seconds.
    """

    def __init__(self, counters: TaskCounters, clock: Callable[[], float] = time.perf_counter) -> None:
        self._counters = counters
        self._clock = clock
        self._times = _Times()  # replaced as a whole, so that no reader sees half a switch

    def start(self) -> None:
        """Begin with BUSY."""
        self._go_on_with(Activity.BUSY)

    def switch(self, activity: Activity) -> None:
        """Charge what has passed to the activity until now and go on with ``activity``."""
        if self._times.activity is not None and self._times.activity is not activity:
            self._go_on_with(activity)

    def stop(self) -> None:
        """Charge what has passed; nothing is charged afterwards."""
        self._go_on_with(None)

    def snapshot(self) -> TaskCounters:
        """The task's counters now, the unfinished activity included."""
        counters = self._counters.snapshot()
        times, now = self._times, self._clock()
        while times is not self._times:  # the task has switched before the clock was read
            times, now = self._times, self._clock()
        counters.busy, counters.idle, counters.backpressured, *_ = times.until(now, None)
        return counters

    def _go_on_with(self, activity: Activity | None) -> None:
        self._times = self._times.until(self._clock(), activity)
