"""A limit on the number of small batches that an agent sends per second."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

SMALL_BATCH_ROWS = 1000
"""Batches below this size are small: the cost of a batch is larger than the cost of its rows."""

SMALL_BATCHES_PER_SECOND = 2000
"""Limit for all tasks of an agent together: about a tenth of a core to send, and as much to receive."""

BURST = 200


class RateLimiter:
    """A token bucket shared by all outputs of an agent.

    With few channels small batches are sent at once; with thousands they wait, and grow meanwhile.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._tokens = float(BURST)
        self._at = clock()

    def wait(self, batches: int) -> float:
        """Return the seconds until ``batches`` small batches may be sent; 0 if now, which counts them as sent."""
        if batches == 0:
            return 0.0
        with self._lock:
            now = self._clock()
            self._tokens = min(BURST, self._tokens + (now - self._at) * SMALL_BATCHES_PER_SECOND)
            self._at = now
            if self._tokens > 0:
                # The tokens may become negative, so that an output with more channels than BURST gets its turn.
                self._tokens -= batches
                return 0.0
            return max(-self._tokens, 1.0) / SMALL_BATCHES_PER_SECOND
