"""The job store of a scheduler, open in a thread of its own.

Theory of operation
-------------------
**Order.** What is handed over is carried out in order, and each call sees what was written before it: a run is there
before its states, and its request before its first cut.

**A store that does not answer** (``StoreUnavailable``), as a server that is started again, keeps its writes waiting:
they are carried out before the next call, which fails if they cannot be. The renewal of leases is such a call, so they
wait for a few seconds only. A write that another error refuses is logged, and dropped.

**Ownership.** A write about a job that another process has claimed raises ``JobTakenOver``. ``on_lost`` is called then,
on the loop, whatever the write was about: nothing of that job may go on here.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from sabotnb.cluster.calls_thread import CallsThread
from sabotnb.errors import JobTakenOver, SabotnbError, StoreError, StoreUnavailable

if TYPE_CHECKING:  # the thread imports it: a database library takes half a second to load
    from sabotnb.job_store import JobStore

logger = logging.getLogger("sabotnb.job_store")

T = TypeVar("T")


class StoreThread:
    """Opens the store at ``location``, and carries out calls in order. Its methods belong to the loop."""

    def __init__(self, location: str, on_lost: Callable[[str], None]) -> None:
        self._location = location
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._thread = CallsThread("sabot-store")
        self._store: JobStore | None = None
        self._failure: SabotnbError | None = None
        self._waiting: deque[tuple[str, Callable[[JobStore], None]]] = deque()
        """Writes that are not carried out yet, each with its job. They belong to the thread."""
        self._thread.submit(self._open)

    async def close(self, seconds: float) -> None:
        """Carry out what was handed over, release all jobs and close the store; waits at most so long for it."""
        closed = asyncio.wrap_future(self._thread.submit(self._close))
        self._thread.end()
        await asyncio.wait([closed], timeout=seconds)

    async def location(self) -> str:
        """Where the store is, without a password; StoreError if it could not be opened."""
        return await self._thread.call(lambda: str(self._opened()))

    async def call(self, act: Callable[[JobStore], T], job: str | None = None) -> T:
        """Let ``act``, which may write about ``job``, use the store, and return its result."""
        try:
            return await self._thread.call(self._use, act)
        except JobTakenOver:
            if job is not None:
                self._on_lost(job)
            raise

    def write(self, job: str, act: Callable[[JobStore], None]) -> None:
        """Let ``act`` write about ``job``, which nothing waits for."""
        self._thread.submit(self._write, job, act)

    # In the thread

    def _open(self) -> None:
        try:
            from sabotnb.job_store import JobStore

            self._store = JobStore.open(self._location)
        except SabotnbError as error:
            self._failure = error
        except Exception as defect:
            logger.exception("the job store cannot be opened")
            self._failure = StoreError(f"the job store cannot be opened ({type(defect).__name__}: {defect})")

    def _close(self) -> None:
        if self._store is None:
            return
        try:
            self._carry_out(self._store)
        except StoreUnavailable as error:
            logger.warning("%d changes of jobs were not recorded: %s", len(self._waiting), error)
        try:
            self._store.close()
        except SabotnbError as error:
            logger.warning("jobs were not released: %s", error)

    def _opened(self) -> JobStore:
        if self._store is None:
            raise self._failure or StoreError("the job store is closed")
        return self._store

    def _use(self, act: Callable[[JobStore], T]) -> T:
        store = self._opened()
        self._carry_out(store)
        return act(store)

    def _write(self, job: str, act: Callable[[JobStore], None]) -> None:
        if self._store is None:
            return
        self._waiting.append((job, act))
        try:
            self._carry_out(self._store)
        except StoreUnavailable as error:
            logger.warning("a change of job %r is recorded later: %s", job, error)

    def _carry_out(self, store: JobStore) -> None:
        """Carry out the writes that wait; StoreUnavailable if the store does not answer, which keeps them."""
        while self._waiting:
            job, act = self._waiting[0]
            try:
                act(store)
            except StoreUnavailable:
                raise
            except JobTakenOver as error:
                logger.info("%s", error)
                with suppress(RuntimeError):  # the loop has ended, and all jobs with it
                    self._loop.call_soon_threadsafe(self._on_lost, job)
            except SabotnbError as error:
                logger.warning("%s", error)
            except Exception:
                logger.exception("the job store cannot be written")
            self._waiting.popleft()
