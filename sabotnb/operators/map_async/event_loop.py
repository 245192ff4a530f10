"""The thread in which the coroutines of one task run."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sabotnb.operators.row_results import collected

JOIN_SECONDS = 5.0


class EventLoopThread:
    """An event loop in a thread of its own, from ``start`` to ``close``; used by the task's thread.

    A function that is not a coroutine function runs in a pool of ``threads`` threads. A call may take ``limit``
    seconds; None waits forever.
    """

    def __init__(self, function: Callable[..., Any], threads: int, limit: float | None, name: str) -> None:
        self._limit = limit
        self._function = function
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._pool: ThreadPoolExecutor | None = None
        if not inspect.iscoroutinefunction(function) and not inspect.isasyncgenfunction(function):
            self._pool = ThreadPoolExecutor(threads, name)
        self._thread.start()

    def submit(self, row: dict[str, Any], done: Callable[[Any, BaseException | None], None]) -> None:
        """Call the function with ``row``; ``done`` gets its result or its exception, in the thread of the loop."""
        self._loop.call_soon_threadsafe(self._begin, row, done)

    def close(self) -> None:
        """Cancel all calls and end the thread; plain functions that run are not waited for."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(JOIN_SECONDS)

    def _begin(self, row: dict[str, Any], done: Callable[[Any, BaseException | None], None]) -> None:
        call = self._loop.create_task(self._call(row))
        call.add_done_callback(lambda call: done(*_outcome(call)))

    async def _call(self, row: dict[str, Any]) -> Any:
        async with asyncio.timeout(self._limit) as limit:
            try:
                return await self._called(row)
            except TimeoutError as error:
                if limit.expired():
                    raise
                raise CarriedError from error
            except (SystemExit, KeyboardInterrupt) as error:  # would end the loop
                raise CarriedError from error

    def _called(self, row: dict[str, Any]) -> Coroutine[Any, Any, Any] | asyncio.Future[Any]:
        if self._pool is not None:
            return self._loop.run_in_executor(self._pool, self._function, row)
        if inspect.isasyncgenfunction(self._function):
            return collected(self._function(row))
        coroutine: Coroutine[Any, Any, Any] = self._function(row)
        return coroutine

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._cancel_all()
            self._loop.close()

    def _cancel_all(self) -> None:
        calls = asyncio.all_tasks(self._loop)
        for call in calls:
            call.cancel()
        if calls:
            self._loop.run_until_complete(asyncio.wait(calls, timeout=JOIN_SECONDS / 2))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())


class CarriedError(Exception):
    """Carries an exception of the function, as ``__cause__``, that would be taken for one of the loop."""


def _outcome(call: asyncio.Task[Any]) -> tuple[Any, BaseException | None]:
    if call.cancelled():
        return None, asyncio.CancelledError()
    error = call.exception()
    return (None, error) if error is not None else (call.result(), None)
