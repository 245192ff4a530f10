"""A timer that calls functions later, all from one thread."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from itertools import count
from threading import Condition, Lock, Thread


class Timer:
    """Calls callbacks at their times; they must neither block nor raise. The thread starts with the first callback."""

    def __init__(self) -> None:
        self._changed = Condition(Lock())
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._thread: Thread | None = None
        self._stopped = False

    def set(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call ``callback`` in ``seconds``, at once if that is not positive. After ``stop`` it is never called."""
        with self._changed:
            if self._stopped:
                return
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._order), callback))
            if self._thread is None:
                self._thread = Thread(target=self._run, name="sabot-timer", daemon=True)
                self._thread.start()
            self._changed.notify()

    def stop(self) -> None:
        """Drop the callbacks that were not called yet, and end the thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _run(self) -> None:
        while (callback := self._next()) is not None:
            callback()

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._stopped:
                if not self._due:
                    self._changed.wait()
                elif (left := self._due[0][0] - time.monotonic()) > 0:
                    self._changed.wait(left)
                else:
                    return heapq.heappop(self._due)[2]
        return None
