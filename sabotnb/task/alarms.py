"""Processing-time alarms: when the operators of a task asked to be woken."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable

TICK_SECONDS = 0.005
"""Alarms go off at multiples of this time, so that an operator that asks with each batch is woken once per tick."""


class Alarms:
    """Pending alarms of all operators of a chain; only the task's thread uses them. ``clock`` returns seconds.

    An alarm goes off at the first tick after its time, never before it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._order: list[int] = []
        self._pending: set[int] = set()

    def set(self, seconds: float) -> None:
        """Set an alarm in ``seconds``; one that is not positive goes off at the next tick."""
        tick = math.floor((self._clock() + max(0.0, seconds)) / TICK_SECONDS) + 1
        if tick not in self._pending:
            self._pending.add(tick)
            heapq.heappush(self._order, tick)

    def take_due(self) -> bool:
        """Remove the alarms whose time has come; True if there were any."""
        if not self._order:
            return False
        now = self._clock()
        due = False
        while self._order and self._order[0] * TICK_SECONDS <= now:
            self._pending.remove(heapq.heappop(self._order))
            due = True
        return due

    def wait(self, limit: float) -> float:
        """Return the seconds until the next alarm goes off, at least 0 and at most ``limit``."""
        if not self._order:
            return limit
        return min(limit, max(0.0, self._order[0] * TICK_SECONDS - self._clock()))
