"""Runs work in order, outside the caller's thread."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

log = logging.getLogger(__name__)


class SerialQueue:
    """Runs callables one after the other, in a daemon thread that exists only while there is work.

    An exception is logged, and the next callable runs.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._running = False

    def add(self, work: Callable[[], None]) -> None:
        """Run ``work`` after everything that was added before. Does not wait."""
        with self._lock:
            self._waiting.append(work)
            if self._running:
                return
            self._running = True
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def _run(self) -> None:
        while (work := self._next()) is not None:
            try:
                work()
            except Exception:
                log.exception("%s: %s failed", self._name, work)

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._running = False
            return None
