"""Work off the caller's thread, in order."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

log = logging.getLogger(__name__)


class SerialQueue:
    """Runs what it is given one after the other, in a daemon thread that is there only while there is something to do.

    What it is given should not raise; what it raises is logged, and the next one runs.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._running = False

    def add(self, work: Callable[[], None]) -> None:
        """Run ``work`` after all that was added before. Does not wait."""
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
