"""Lets coroutines wait on the scheduler's loop until a topic changes."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

AGENTS = ""
"""The topic for changes among the agents; every other topic is the name of a job."""


class ChangeNotifier:
    """Waiters by topic. Belongs to one event loop."""

    def __init__(self) -> None:
        self._waiters: dict[str, set[asyncio.Future[None]]] = {}

    def __contains__(self, topic: str) -> bool:
        """True while somebody waits for ``topic``."""
        return bool(self._waiters.get(topic))

    async def wait_changed(self, topics: Collection[str], seconds: float) -> None:
        """Wait until one of ``topics`` is woken, for at most ``seconds``."""
        waiter = asyncio.get_running_loop().create_future()
        for topic in topics:
            self._waiters.setdefault(topic, set()).add(waiter)
        try:
            await asyncio.wait([waiter], timeout=seconds)
        finally:
            for topic in topics:
                self._leave(topic, waiter)

    def wake(self, topic: str) -> None:
        """Wake everything that waits for ``topic``."""
        for waiter in self._waiters.pop(topic, set()):
            if not waiter.done():
                waiter.set_result(None)

    def _leave(self, topic: str, waiter: asyncio.Future[None]) -> None:
        waiting = self._waiters.get(topic, set())
        waiting.discard(waiter)
        if not waiting:
            self._waiters.pop(topic, None)
