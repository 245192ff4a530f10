"""How often an agent may send small batches."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

CRUMB_ROWS = 1000
"""Batches below this size are crumbs: handling them costs more than their rows."""

CRUMBS_PER_SECOND = 2000
"""Crumbs that all tasks of an agent may send together: about a tenth of a core here, and as much where they arrive."""

BURST = 200


class RateLimiter:
    """A token bucket for all outputs of an agent: few tasks send at once what they have, thousands of channels wait."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._tokens = float(BURST)
        self._at = clock()

    def wait(self, crumbs: int) -> float:
        """Seconds until ``crumbs`` may be sent; 0 if they may now, and then they count as sent."""
        if crumbs == 0:
            return 0.0
        with self._lock:
            now = self._clock()
            self._tokens = min(BURST, self._tokens + (now - self._at) * CRUMBS_PER_SECOND)
            self._at = now
            if self._tokens > 0:
                self._tokens -= crumbs  # into debt, so that large fans get their turn too
                return 0.0
            return max(-self._tokens, 1.0) / CRUMBS_PER_SECOND
