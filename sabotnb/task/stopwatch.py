"""Where a task's wall time goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum

from sabotnb.metrics import TaskCounters


class Activity(str, Enum):
    """What a task is doing; each value is the name of its counter."""

    BUSY = "busy"
    IDLE = "idle"
    BACKPRESSURED = "backpressured"


class Stopwatch:
    """Charges every moment between ``start`` and ``stop`` to exactly one activity, so that the three add up.

    The task's thread starts, switches and stops it; any thread may read it. ``clock`` gives seconds.
    """

    def __init__(self, counters: TaskCounters, clock: Callable[[], float] = time.perf_counter) -> None:
        self._counters = counters
        self._clock = clock
        self._running: tuple[Activity, float] | None = None

    def start(self) -> None:
        """Begin with BUSY."""
        self._running = Activity.BUSY, self._clock()

    def switch(self, activity: Activity) -> None:
        """Charge what has passed to the activity until now and go on with ``activity``."""
        if self._running is None or self._running[0] is activity:
            return
        now = self._clock()
        self._charge(self._counters, now)
        self._running = activity, now

    def stop(self) -> None:
        """Charge what has passed; nothing is charged afterwards."""
        self._charge(self._counters, self._clock())
        self._running = None

    def snapshot(self) -> TaskCounters:
        """The task's counters now, the unfinished activity included."""
        counters = self._counters.snapshot()
        self._charge(counters, self._clock())
        return counters

    def _charge(self, counters: TaskCounters, now: float) -> None:
        if self._running is not None:
            activity, since = self._running
            setattr(counters, activity.value, getattr(counters, activity.value) + now - since)
