"""Warnings about what strangers do: they decide how often it happens, and must not decide how long a log becomes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Lock

INTERVAL_SECONDS = 60.0


class RareWarnings:
    """Logs one warning at most in INTERVAL_SECONDS, with the number of those that were left out. For any thread."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._lock = Lock()
        self._next = float("-inf")
        self._left_out = 0

    def warn(self, text: str) -> None:
        """Log ``text``, or count it."""
        with self._lock:
            now = self._clock()
            if now < self._next:
                self._left_out += 1
                return
            self._next = now + INTERVAL_SECONDS
            left_out, self._left_out = self._left_out, 0
        self._logger.warning("%s%s", text, f" ({left_out} more since the last such line)" if left_out else "")
