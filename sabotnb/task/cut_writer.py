"""The thread of an agent that writes what its tasks froze at cuts."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class CutWriter:
    """Carries out writes in their order, in one thread, which lasts while there are some.

    Any thread may submit. A write must not raise; it may block on I/O.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._writes: deque[Callable[[], None]] = deque()
        self._writing = False

    def submit(self, write: Callable[[], None]) -> None:
        """Add a write; returns at once."""
        with self._lock:
            self._writes.append(write)
            if self._writing:
                return
            self._writing = True
        threading.Thread(target=self._run, name="cut writer", daemon=True).start()

    def _run(self) -> None:
        while (write := self._next()) is not None:
            write()

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            if not self._writes:
                self._writing = False
                return None
            return self._writes.popleft()
