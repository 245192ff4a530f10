"""A thread that carries out calls in order, also while the interpreter exits.

Executors of the standard library take no calls any more when ``atexit`` functions run, and these close clusters.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


class CallsThread:
    """A daemon thread for calls that block."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, call: Callable[..., T], *arguments: Any) -> Future[T]:
        """Let the thread make a call, after all calls that were submitted before."""
        future: Future[T] = Future()

        def carry_out() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(call(*arguments))
            except BaseException as error:  # noqa: BLE001  the caller's, who waits for it
                future.set_exception(error)

        self._calls.put(carry_out)
        return future

    async def call(self, call: Callable[..., T], *arguments: Any) -> T:
        """Let the thread make a call, and wait for its result without blocking the event loop."""
        return await asyncio.wrap_future(self.submit(call, *arguments))

    def end(self) -> None:
        """Let the thread end after the calls that were submitted."""
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
