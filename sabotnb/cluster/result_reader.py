"""Reads the rows of collecting tasks into the client, from all of their agents concurrently."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any

import distributed
import pyarrow as pa

from sabotnb.cluster import control_codec
from sabotnb.cluster.failures import job_failed
from sabotnb.errors import JobError, StaleMessage
from sabotnb.protocol import JobState, RunId, RunStatus, Unsent, Until, ViewKind, Watch, Watched

PULL_SECONDS = 5.0
PULL_BYTES = 16 << 20
ONE_BY_ONE_BYTES = 1 << 20
WATCH_SECONDS = 20.0
ACKNOWLEDGE_SECONDS = 1.0
"""How long the end of reading waits for agents to confirm that they dropped what was read."""

WATCH = -1
"""Stands among task indexes for the question whether the job is over."""


@dataclass(frozen=True, slots=True)
class ResultLocation:
    """The location of a task's rows: its agent's id, and the address of that agent's worker."""

    agent: str
    address: str


class ResultReader:
    """Reads one collecting operator's tasks of one run; use it once, in one thread.

    Each task has one request under way, and the end of the job is watched at the same time. Rows are returned as they
    arrive, in order within a task; a failure ends the reading at once, even if an agent does not answer. Agents keep
    the rows of an answer until the next request, so the last answer is acknowledged separately.
    ``one_by_one``: an answer is acknowledged when its rows have been used, not when they have arrived.
    """

    def __init__(
        self,
        client: distributed.Client,
        run: RunId,
        operator: str,
        locations: list[ResultLocation],
        *,
        one_by_one: bool = False,
    ) -> None:
        self._client = client
        self._run = run
        self._operator = operator
        self._locations = locations
        self._one_by_one = one_by_one
        self._asked: dict[Future[Any], int] = {}
        self._acknowledged: list[Future[Any]] = []
        self._missing: JobError | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows. Before they are complete: JobFailed, JobCanceled; JobError if some are not there any more."""
        try:
            self._ask(WATCH, self._watch())
            for index in range(len(self._locations)):
                self._ask(index, self._pull(index, 0))
            while self._missing or any(index != WATCH for index in self._asked.values()):
                answered, _ = wait(self._asked, return_when=FIRST_COMPLETED)
                for answer in answered:
                    if answer in self._asked:  # _heed may have been quicker
                        yield from self._read(self._asked.pop(answer), answer)
            wait(self._acknowledged, ACKNOWLEDGE_SECONDS)
        finally:
            for future in (*self._asked, *self._acknowledged):
                future.cancel()

    def _read(self, index: int, answer: Future[Any]) -> Iterator[pa.RecordBatch]:
        if index == WATCH:
            self._go_on_watching(answer.result())
            return
        try:
            seq, batches, ended = answer.result()
        except (OSError, StaleMessage) as error:
            self._missing = self._rows_gone(index)  # who watches the job will hear what that means for it
            if WATCH not in self._asked.values():
                raise self._missing from error
            return
        ahead = not ended and not self._one_by_one
        if ahead:
            self._ask(index, self._pull(index, seq))  # travels while these rows are used
        for data in batches:
            self._heed()
            yield from pa.ipc.open_stream(data)
        if not ended and not ahead:
            self._ask(index, self._pull(index, seq))
        elif ended and batches:
            self._acknowledged.append(self._start(self._pull(index, seq, seconds=0)))

    def _heed(self) -> None:
        """Check between two batches whether the job has failed, because using a batch may take long."""
        for answer in [answer for answer, index in self._asked.items() if index == WATCH and answer.done()]:
            del self._asked[answer]
            self._go_on_watching(answer.result())

    def _go_on_watching(self, status: RunStatus | Unsent | None) -> None:
        if isinstance(status, Unsent):  # it is not over
            self._ask(WATCH, self._watch())
        elif status is None or status.state is not JobState.FINISHED:
            raise job_failed(self._run.job, status)
        elif self._missing is not None:
            raise self._missing

    def _rows_gone(self, index: int) -> JobError:
        return JobError(
            f"job {self._run.job!r} has finished, but its rows that waited on {self._locations[index].agent} are not "
            "there any more: that agent is gone, or another run has taken the job's place; run it again"
        )

    def _ask(self, index: int, question: Coroutine[Any, Any, Any]) -> None:
        self._asked[self._start(question)] = index

    def _start(self, question: Coroutine[Any, Any, Any]) -> Future[Any]:
        loop = self._client.loop
        assert loop is not None
        return asyncio.run_coroutine_threadsafe(question, loop.asyncio_loop)  # type: ignore[attr-defined]

    async def _watch(self) -> RunStatus | Unsent | None:
        scheduler: Any = self._client.scheduler
        question = control_codec.dumps(Watch(ViewKind.STATUS, (self._run,), Until.OVER, WATCH_SECONDS))
        answer: Watched = control_codec.loads(await scheduler.sabot_watch(question=question))
        status: RunStatus | Unsent | None = answer.views[0]
        return status

    async def _pull(self, index: int, seq: int, seconds: float = PULL_SECONDS) -> tuple[int, list[bytes], bool]:
        """Ask the worker itself, or the scheduler if the client cannot reach it; it may wait ``seconds`` for rows."""
        scheduler: Any = self._client.scheduler
        location = self._locations[index]
        request = {
            "run": str(self._run),
            "operator": self._operator,
            "index": index,
            "seq": seq,
            "max_bytes": ONE_BY_ONE_BYTES if self._one_by_one else PULL_BYTES,
            "wait": seconds,
        }
        try:
            answer = await self._client.rpc(location.address).sabot_pull(**request)
        except OSError:
            answer = await scheduler.sabot_pull(agent=location.agent, **request)
        next_seq, batches, ended = answer
        return next_seq, list(batches), ended
