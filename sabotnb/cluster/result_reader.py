"""Reads the rows of collecting tasks into the client, from all of their agents concurrently.

A run that starts again goes on in other tasks, perhaps on other agents. The reader hears of it from the agent (the
buffer is over, or belongs to a later epoch), or because the agent is gone; then it asks the scheduler where the tasks
are now. Batches that came after the cut from which the run goes on are taken back: ``Rewind``. A task whose rows were
all read may send some again after a restart, and may wait until they are read: so the reader of a run that may start
again looks for later epochs until the run is over. An agent whose process is suspended answers nothing, and its
connection stays open: nothing is expected of it when the task is elsewhere.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import distributed
import pyarrow as pa

from sabotnb.cluster import control_codec
from sabotnb.cluster.failures import job_failed
from sabotnb.errors import AgentLost, JobFailed, StaleMessage
from sabotnb.protocol import FIRST_EPOCH, JobState, RunId, RunStatus, Unsent, Until, ViewKind, Watch, Watched

PULL_SECONDS = 5.0
PULL_BYTES = 16 << 20
ONE_BY_ONE_BYTES = 1 << 20
WATCH_SECONDS = 20.0
LOOK_SECONDS = 1.0
"""After this time, a task that was lost is asked again where it was: only the connection may have failed."""
SILENT_SECONDS = PULL_SECONDS + LOOK_SECONDS
"""An agent that takes longer to answer may hang, or its rows take long to travel."""
ACKNOWLEDGE_SECONDS = 1.0
"""How long the end of reading waits for agents to confirm that they dropped what was read."""

WATCH, PLACE = -1, -2
"""Stand among task indexes for the questions whether the job is over, and where its tasks are."""

GONE = "127.0.0.1:0"
"""Stands for the address of an agent that is gone: connecting to it is refused."""


class ResultBatch(NamedTuple):
    """Batch ``number`` of the task with index ``task``, counted from 0 over all epochs of the run."""

    task: int
    number: int
    data: pa.RecordBatch


class Rewind(NamedTuple):
    """Batch ``number`` of the task with index ``task`` and the later ones are taken back; others take their numbers."""

    task: int
    number: int


Read: TypeAlias = ResultBatch | Rewind


@dataclass(slots=True)
class _TaskRows:
    """What was read of a task, and where its agent is; ``lost`` while it is looked for.

    ``over``: its agent has no more rows of it, which is right if the run has ended at a savepoint. ``ended``: all rows
    were read. ``asked`` is the epoch of the place where it was asked last, at ``asked_at`` (seconds of the monotonic
    clock).
    """

    agent: str = ""
    address: str = ""
    lost: bool = True
    over: bool = False
    ended: bool = False
    asked: int = 0
    asked_at: float = 0.0
    seq: int = 0
    epoch: int = FIRST_EPOCH


class ResultReader:
    """Reads one collecting operator's tasks of one run; use it once, in one thread.

    Each task has one request under way, and the end of the job is watched at the same time. Rows are returned as they
    arrive, in order within a task; a failure ends the reading at once, even if an agent does not answer. Agents keep
    the rows of an answer until the next request, so the last answer is acknowledged separately.
    ``one_by_one``: an answer is acknowledged when its rows have been used, not when they have arrived. ``until_over``:
    the run may start again when all rows were read.
    """

    def __init__(
        self,
        client: distributed.Client,
        run: RunId,
        vertex: str,
        operator: str,
        *,
        one_by_one: bool = False,
        until_over: bool = True,
    ) -> None:
        self._client = client
        self._run = run
        self._vertex = vertex
        self._operator = operator
        self._one_by_one = one_by_one
        self._until_over = until_over
        self._tasks: list[_TaskRows] = []
        self._placed = 0
        """The epoch in which the tasks were found last."""
        self._looked_at = 0.0
        self._asked: dict[Future[Any], int] = {}
        self._acknowledged: list[Future[Any]] = []
        self._missing: JobFailed | None = None

    def batches(self) -> Iterator[Read]:
        """The rows. Before they are complete: JobFailed, also if some are not there any more; JobCanceled."""
        try:
            self._ask(WATCH, self._watch(Until.OVER, WATCH_SECONDS))
            self._look()
            while self._missing or any(index != WATCH for index in self._asked.values()):
                answered, _ = wait(self._asked, SILENT_SECONDS, FIRST_COMPLETED)
                self._heed_silence()
                for answer in answered:
                    if answer in self._asked:  # _heed may have been quicker
                        yield from self._read(self._asked.pop(answer), answer)
            wait(self._acknowledged, ACKNOWLEDGE_SECONDS)
        finally:
            for future in (*self._asked, *self._acknowledged):
                future.cancel()

    def _read(self, index: int, answer: Future[Any]) -> Iterator[Read]:
        if index == WATCH:
            self._go_on_watching(answer.result())
        elif index == PLACE:
            self._place(answer.result())
        else:
            yield from self._rows(index, answer)

    def _place(self, status: RunStatus | Unsent | None) -> None:
        """Note where the tasks are, and go on reading from those that were looked for."""
        if isinstance(status, RunStatus):
            placed = [task for task in status.tasks if task.vertex == self._vertex]
            epoch = max((task.attempt.epoch for task in placed), default=0)
            if not placed or (epoch <= self._placed and status.state.terminal):
                self._give_up_lost(status)
                if status.state is not JobState.FINISHED or not all(rows.over for rows in self._tasks if rows.lost):
                    self._miss()
                return
            self._tasks = self._tasks or [_TaskRows() for _ in placed]
            self._placed = epoch
            for rows, task in zip(self._tasks, placed, strict=True):
                rows.agent, rows.address = task.agent, status.addresses.get(task.agent, self._nowhere())
        elif status is None:
            self._miss()
            return
        if not self._tasks:
            self._look()
        for index, rows in enumerate(self._tasks):
            if rows.lost or (rows.ended and rows.asked < self._placed):
                self._ask_for_rows(index)
        if any(rows.ended for rows in self._tasks):
            self._follow()

    def _rows(self, index: int, answer: Future[Any]) -> Iterator[Read]:
        task = self._tasks[index]
        try:
            seq, batches, ended, epoch, over = answer.result()
        except (OSError, StaleMessage):
            self._lose(index)
            return
        if epoch != task.epoch:
            if seq < task.seq:
                yield Rewind(index, seq)
            task.seq, task.epoch = seq, epoch
        first, task.seq = seq - len(batches), seq
        ahead = bool(batches) and not (ended or over or self._one_by_one)
        if ahead:
            self._ask_for_rows(index)  # travels while these rows are used
        for number, data in enumerate(batches, first):
            self._heed()
            for batch in pa.ipc.open_stream(data):
                yield ResultBatch(index, number, batch)
        elsewhere = not (batches or ended) and epoch < task.asked  # not there in time: it may have begun once more
        if over or elsewhere:
            task.over = over
            self._lose(index)
        elif ended:
            self._end(index, acknowledge=bool(batches))
        elif not ahead:
            self._ask_for_rows(index)

    def _end(self, index: int, *, acknowledge: bool) -> None:
        """All rows of a task were read."""
        self._tasks[index].ended = True
        if acknowledge:
            self._acknowledged.append(self._start(self._pull(index, seconds=0)))
        self._follow()

    def _heed(self) -> None:
        """Check between two batches whether the job has failed, because using a batch may take long."""
        for answer in [answer for answer, index in self._asked.items() if index == WATCH and answer.done()]:
            del self._asked[answer]
            self._go_on_watching(answer.result())

    def _go_on_watching(self, status: RunStatus | Unsent | None) -> None:
        if isinstance(status, Unsent):  # it is not over
            self._ask(WATCH, self._watch(Until.OVER, WATCH_SECONDS))
        elif status is None or status.state is not JobState.FINISHED:
            raise job_failed(self._run.job, status)
        elif self._missing is not None:
            raise self._missing

    def _lose(self, index: int) -> None:
        """An agent has no more rows of a task, or does not answer: ask for them where the task is in a later epoch.

        That place may be known already, from the search for another task.
        """
        task = self._tasks[index]
        if task.asked < self._placed:
            self._ask_for_rows(index)
            return
        task.lost = True
        self._look()

    def _silent(self) -> list[tuple[Future[Any], int]]:
        """The questions for rows that have had no answer for a long time, and the indexes of their tasks."""
        since = time.monotonic() - SILENT_SECONDS
        asked = ((question, index) for question, index in self._asked.items() if index >= 0 and not question.done())
        return [(question, index) for question, index in asked if self._tasks[index].asked_at < since]

    def _heed_silence(self) -> None:
        """Ask elsewhere for the rows of agents that do not answer, and find out where that is."""
        for question, index in self._silent():
            if self._tasks[index].asked < self._placed:
                self._give_up(question)
                self._ask_for_rows(index)
            elif time.monotonic() - self._looked_at > LOOK_SECONDS:
                self._look()

    def _give_up_lost(self, status: RunStatus) -> None:
        """Wait no longer for agents that do not answer and are lost: the run is over and begins nowhere else."""
        for question, index in self._silent():
            if self._tasks[index].agent not in status.addresses:
                self._give_up(question)
                self._tasks[index].lost = True

    def _give_up(self, question: Future[Any]) -> None:
        question.cancel()
        del self._asked[question]

    def _ask_for_rows(self, index: int) -> None:
        task = self._tasks[index]
        task.lost = task.over = task.ended = False
        task.asked, task.asked_at = self._placed, time.monotonic()
        self._ask(index, self._pull(index))

    def _follow(self) -> None:
        """Look for the next epoch of a task whose rows were read, unless the run is known to be over."""
        if self._until_over and WATCH in self._asked.values():
            self._look()

    def _look(self) -> None:
        if PLACE in self._asked.values():
            return
        self._looked_at = time.monotonic()
        seconds = LOOK_SECONDS if self._tasks else WATCH_SECONDS
        self._ask(PLACE, self._watch(Until.PLACED, seconds, self._placed))

    def _miss(self) -> None:
        """The run is over, and rows of it are not there any more: who watches it will hear what that means."""
        lost = next((rows.agent for rows in self._tasks if rows.lost), "an agent")
        error = JobFailed(
            f"job {self._run.job!r} has finished, but its rows that waited on {lost} are not there any more: that "
            "agent is gone, or another run has taken the job's place; run it again"
        )
        error.reason = AgentLost(str(error))
        self._missing = error
        if WATCH not in self._asked.values():
            raise error

    def _nowhere(self) -> str:
        """An address where nothing listens; a client with TLS refuses to dial one without it."""
        scheduler: Any = self._client.scheduler
        return ("tls://" if str(scheduler.address).startswith("tls://") else "tcp://") + GONE

    def _ask(self, index: int, question: Coroutine[Any, Any, Any]) -> None:
        self._asked[self._start(question)] = index

    def _start(self, question: Coroutine[Any, Any, Any]) -> Future[Any]:
        loop = self._client.loop
        assert loop is not None
        return asyncio.run_coroutine_threadsafe(question, loop.asyncio_loop)  # type: ignore[attr-defined]

    async def _watch(self, until: Until, seconds: float, beyond: int = 0) -> RunStatus | Unsent | None:
        scheduler: Any = self._client.scheduler
        question = control_codec.dumps(Watch(ViewKind.STATUS, (self._run,), until, seconds, beyond=beyond))
        answer: Watched = control_codec.loads(await scheduler.sabot_watch(question=question))
        status: RunStatus | Unsent | None = answer.views[0]
        return status

    async def _pull(self, index: int, seconds: float = PULL_SECONDS) -> tuple[int, list[bytes], bool, int, bool]:
        """Ask the worker itself, or the scheduler if the client cannot reach it; it may wait ``seconds`` for rows."""
        scheduler: Any = self._client.scheduler
        task = self._tasks[index]
        request = {
            "run": str(self._run),
            "operator": self._operator,
            "index": index,
            "seq": task.seq,
            "epoch": task.epoch,
            "since": task.asked,
            "max_bytes": ONE_BY_ONE_BYTES if self._one_by_one else PULL_BYTES,
            "wait": seconds,
        }
        agent, address = task.agent, task.address
        try:
            answer = await self._client.rpc(address).sabot_pull(**request)
        except OSError:
            answer = await scheduler.sabot_pull(agent=agent, **request)
        seq, batches, ended, epoch, over = answer
        return seq, list(batches), ended, epoch, over
