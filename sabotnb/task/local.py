"""Runs a job in this process, with the same tasks as on a cluster and an exchange without connections."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from sabotnb.config import Config
from sabotnb.errors import GraphError
from sabotnb.exchange import Exchange
from sabotnb.plan import ExecutionGraph
from sabotnb.protocol import (
    FIRST_EPOCH,
    Attempt,
    CancelTasks,
    Failure,
    Placement,
    RunId,
    SourceWarned,
    Split,
    SplitWanted,
    StartSources,
    TaskChanged,
    TaskId,
    TaskReport,
)
from sabotnb.task.canceling import await_canceled
from sabotnb.task.failure_report import error_of
from sabotnb.task.host import Assignment, Host, Makers
from sabotnb.task.local_handout import LocalHandout
from sabotnb.task.result_buffers import Results
from sabotnb.task.source_warnings import SourceWarnings
from sabotnb.task.stages import is_pulled
from sabotnb.task.task import TaskExecution

AGENT = "this process"
RUN = RunId("local", 1)
ATTEMPT = 0
"""Nothing restarts a task of such a run, so each has one attempt."""
INTERRUPT_SECONDS = 0.2
"""Longest single wait for rows: an interrupt that arrives just before a wait is handled only after it."""


def run_local(
    execution: ExecutionGraph,
    splits: Mapping[str, Sequence[Split]],
    config: Config | None = None,
    makers: Makers | None = None,
    until: float | None = None,
) -> Iterator[pa.RecordBatch]:
    """Run a graph with one collecting sink and yield its batches as they arrive.

    ``splits`` are by source vertex, whose tasks get them on demand. Nothing runs before the first ``next``; closing the
    iterator, also by an interrupt, cancels the tasks and waits for their threads. Tasks run at most
    ``Config.collect_bytes`` each ahead of the reader. ``until`` (of ``time.monotonic``) ends the run as closing does:
    rows that are not there by then are missing.

    Raises:
        UserFunctionError: a function of the user raised; its own exception is the cause. Other classes of
            ``sabotnb.errors`` likewise.
        GraphError: the graph does not have exactly one sink that can be read.
    """
    run = _LocalRun(execution, splits, config or Config.from_environment(), makers or Makers())
    try:
        run.start()
        yield from run.batches(until)
    finally:
        run.stop()
    if not _is_over(until):
        run.check()


class _LocalRun:
    def __init__(
        self, execution: ExecutionGraph, splits: Mapping[str, Sequence[Split]], config: Config, makers: Makers
    ) -> None:
        self._config = config
        self._wanted = dict.fromkeys(_collected(execution), 0)
        self._failure: Failure | None = None
        self._warnings = SourceWarnings()
        self._results = Results(config)
        self._exchange = Exchange(AGENT, config)
        host = Host(self._exchange, self._results, self._on_report, config, makers)
        tasks = {vertex.id: vertex.parallelism for vertex in execution.vertices.values()}
        placement = Placement(
            {vertex: (AGENT,) * parallelism for vertex, parallelism in tasks.items()},
            {vertex: (ATTEMPT,) * parallelism for vertex, parallelism in tasks.items()},
            {},
        )
        self._handout = LocalHandout(execution, splits)
        self._tasks = {
            attempt: TaskExecution(Assignment(attempt, execution, placement, *self._handout.first(attempt)), host)
            for vertex in execution.vertices.values()
            for index in range(vertex.parallelism)
            for attempt in [Attempt(TaskId(RUN, vertex.id, index), ATTEMPT, FIRST_EPOCH)]
        }

    def start(self) -> None:
        for task in self._tasks.values():
            task.start()
            task.post(StartSources(RUN, FIRST_EPOCH))

    def batches(self, until: float | None) -> Iterator[pa.RecordBatch]:
        """Yield the batches of all collecting tasks; raises the first failure of any task as soon as it is known."""
        while self._wanted and not _is_over(until):
            taken = self._results.take(
                RUN,
                self._wanted,
                self._config.collect_bytes,
                timeout=INTERRUPT_SECONDS,
                unless=lambda: self._failure is not None,
            )
            self.check()
            for key, pulled in taken.items():
                yield from pulled.batches
                self._wanted[key] = pulled.next
                if pulled.ended:
                    del self._wanted[key]

    def check(self) -> None:
        """Raise the first failure, if there is one."""
        if self._failure is not None:
            raise error_of(self._failure)

    def stop(self) -> None:
        """Cancel all tasks and wait until their threads have ended, except those that hang in a call."""
        for task in self._tasks.values():
            task.post(CancelTasks(RUN, FIRST_EPOCH))
        await_canceled(self._tasks.values())
        self._exchange.release(RUN, FIRST_EPOCH)
        self._exchange.stop()

    def _on_report(self, report: TaskReport) -> None:
        if isinstance(report, SourceWarned):
            self._warnings.log(report)
        elif isinstance(report, SplitWanted):
            self._handout.answer(report, self._tasks)
        elif isinstance(report, TaskChanged) and report.failure is not None and self._failure is None:
            self._failure = report.failure
            self._results.notify(RUN)


def _is_over(until: float | None) -> bool:
    return until is not None and time.monotonic() >= until


def _collected(execution: ExecutionGraph) -> list[tuple[str, int]]:
    """Return (operator, index) of the tasks whose rows are read."""
    sinks = [
        (vertex, vertex.operators[-1]) for vertex in execution.vertices.values() if is_pulled(vertex.operators[-1])
    ]
    if len(sinks) != 1:
        raise GraphError(f"a job in this process needs exactly one sink to read from; this graph has {len(sinks)}")
    vertex, node = sinks[0]
    return [(node.id, index) for index in range(vertex.parallelism)]
