"""Processing-time alarms: when the operators of a task asked to be woken."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable

TICK_SECONDS = 0.005
"""Alarms go off at multiples of this time, so that an operator that asks with each batch is woken once per tick."""


class Alarms:
    """Pending alarms of the operators of a chain, by their id; only the task's thread uses them.

    An alarm goes off at the first tick after its time, never before it. ``clock`` returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._order: list[tuple[int, str]] = []
        self._pending: set[tuple[int, str]] = set()

    def add(self, operator: str, seconds: float) -> None:
        """Add an alarm in ``seconds``; one that is not positive goes off at the next tick."""
        alarm = math.floor((self._clock() + max(0.0, seconds)) / TICK_SECONDS) + 1, operator
        if alarm not in self._pending:
            self._pending.add(alarm)
            heapq.heappush(self._order, alarm)

    def take_due(self) -> set[str]:
        """Remove the alarms whose time has come; returns their operators."""
        due: set[str] = set()
        if self._order:
            now = self._clock()
            while self._order and self._order[0][0] * TICK_SECONDS <= now:
                alarm = heapq.heappop(self._order)
                self._pending.remove(alarm)
                due.add(alarm[1])
        return due

    def wait(self, limit: float) -> float:
        """Return the seconds until the next alarm goes off, at least 0 and at most ``limit``."""
        if not self._order:
            return limit
        return min(limit, max(0.0, self._order[0][0] * TICK_SECONDS - self._clock()))
