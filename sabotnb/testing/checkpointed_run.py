"""Run a job with its real tasks in this process, take cuts, kill it, and restore it.

>>> with CheckpointedRun(graph, splits, folder).start() as run:
...     cut = run.read(polls=5).take_cut()
...     run.read(polls=9).kill()
>>> run.restored(cut, graph_of_3_tasks).start().finish()  # the rows of the output, each once

Theory of operation
-------------------
There is no machine and no job store: this class does what they do, as long as nothing fails. Tasks, channels, cuts,
state files and the plan of a restore are those of a cluster. Sinks whose rows a client pulls (``collect``) are replaced
by one that hands its rows over with the cuts: what it received after the last cut is lost with a kill, as files that
were not committed are.

The sources read nothing before ``read`` or ``finish``. ``read`` lets them make a number of polls and holds them behind
these, so that a cut or a kill comes at a moment that a test can draw; rows are in channels, operators and states then.
``cut_behind`` begins a cut when a sink has received a batch: also among the final results of an operator in its chain.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from sabotnb.config import Config
from sabotnb.exchange import Exchange
from sabotnb.execution import task_restores, topology_of
from sabotnb.graph import Sink
from sabotnb.plan import ExecutionGraph
from sabotnb.protocol import (
    FIRST_EPOCH,
    Attempt,
    CancelTasks,
    Command,
    Committable,
    Cut,
    CutAcked,
    CutFailed,
    CutKind,
    CutStored,
    Failure,
    Placement,
    RunId,
    SourceWarned,
    Split,
    SplitWanted,
    StartSources,
    StoredCut,
    TakeCut,
    TaskChanged,
    TaskId,
    TaskReport,
    TaskSnapshot,
    TaskState,
)
from sabotnb.task import Assignment, Host, Makers, Results, SourceWarnings, TaskExecution, await_canceled, error_of
from sabotnb.testing.handed_over import RECORDED, HandingOver, rows_of
from sabotnb.testing.metered_source import Meter, MeteredSource
from sabotnb.testing.restored_splits import RestoredSplits

RUN = RunId("checkpointed", 1)
AGENT = "this process"
WAIT_SECONDS = 120.0
"""Longest wait for a cut or the end: the tasks hang then."""


class CheckpointedRun:
    """A run of ``execution`` in this process; a context manager that kills what is left.

    ``splits`` are by source vertex, ``storage`` is a folder or URL for the state files. ``makers`` creates operators
    and sources, as in ``run_local``.
    """

    def __init__(
        self,
        execution: ExecutionGraph,
        splits: Mapping[str, Sequence[Split]],
        storage: str,
        *,
        makers: Makers | None = None,
        config: Config | None = None,
        restored_from: StoredCut | None = None,
    ) -> None:
        self._arguments = (splits, storage, makers, config)
        self._base = restored_from
        self.execution = _with_recorded_sinks(execution)
        self._storage = storage
        self._config = config or Config()
        self._epoch = FIRST_EPOCH if restored_from is None else restored_from.epoch + 1
        self._cut = self._first_cut = 0 if restored_from is None else restored_from.cut
        self._batches = itertools.count(1)
        self._cut_behind = 0
        self._changed = threading.Condition()
        self._acked: dict[TaskId, CutAcked] = {}
        self._ended: dict[TaskId, TaskChanged] = {}
        self._error: BaseException | None = None
        base = () if restored_from is None else restored_from.committables
        self._output = {(out.operator, out.payload["id"]): out for out in base}
        self._meter = Meter(self._notify)
        self._exchange = Exchange(AGENT, self._config)
        self._splits = RestoredSplits(self.execution, splits, restored_from)
        self._warnings = SourceWarnings()
        self._tasks = self._created(self._with_meter(makers or Makers()))

    def start(self) -> Self:
        """Start all tasks."""
        for task in self._tasks.values():
            task.start()
        return self._post(StartSources(RUN, self._epoch))

    def read(self, polls: int | None = None) -> Self:
        """Let the sources make ``polls`` polls, counted from the start, and hold them; returns earlier if all end.

        Without ``polls`` the sources read on, and the call returns at once.
        """
        self._meter.admit(polls)
        if polls is None:
            return self
        self._wait(lambda: self._meter.used_up or len(self._ended) == len(self._tasks))
        return self

    def take_cut(self, kind: CutKind = CutKind.CHECKPOINT, *, hold: bool = False) -> StoredCut:
        """Take a cut now; returns when all tasks have acknowledged it or ended, and know that it is stored."""
        self.begin_cut(kind, hold=hold)
        return self.wait_cut()

    def begin_cut(self, kind: CutKind = CutKind.CHECKPOINT, *, hold: bool = False) -> None:
        """Tell the tasks to take a cut."""
        self._cut += 1
        self._acked.clear()
        self._post(TakeCut(RUN, self._epoch, Cut(self._cut, kind, self._epoch), hold))

    def cut_behind(self, batch: int) -> StoredCut | None:
        """Read on, and take a cut behind that batch of the output, counted from 1; None if the run ends before it."""
        self._cut_behind = batch
        self.read()
        self._wait(lambda: self._cut > self._first_cut or len(self._ended) == len(self._tasks))
        return self.wait_cut() if self._cut > self._first_cut else None

    def wait_cut(self) -> StoredCut:
        """Wait until all tasks have acknowledged the cut or ended; a cut that failed raises its error."""
        self._wait(lambda: len(self._acked.keys() | self._ended.keys()) == len(self._tasks))
        stored = self._stored()
        self._post(CutStored(RUN, self._epoch, self._cut))
        return stored

    def wait_ended(self, *vertices: str) -> Self:
        """Wait until all tasks of these vertices have finished."""
        tasks = [task for task in self._tasks if task.vertex in vertices]
        self._wait(lambda: all(task in self._ended for task in tasks))
        return self

    def kill(self) -> None:
        """End all tasks at once, without a trace of what they did after their last cut."""
        self._post(CancelTasks(RUN, self._epoch))
        await_canceled(self._tasks.values())
        self._exchange.release(RUN, self._epoch)
        self._exchange.stop()

    def restored(self, cut: StoredCut, execution: ExecutionGraph | None = None) -> CheckpointedRun:
        """Return a run in the next epoch that continues from ``cut``, with ``execution`` if that is given."""
        splits, storage, makers, config = self._arguments
        graph = self.execution if execution is None else execution
        return CheckpointedRun(graph, splits, storage, makers=makers, config=config, restored_from=cut)

    def finish(self) -> list[dict[str, Any]]:
        """Read to the end of all sources; returns the rows of all sinks, in no order."""
        self.read()
        self._wait(lambda: len(self._ended) == len(self._tasks))
        self._keep(ended.committables for ended in self._ended.values())
        self.kill()
        return rows_of(self._output.values())

    def _keep(self, outputs: Iterable[Sequence[Committable]]) -> None:
        """Add output; what tasks repeat is there already."""
        for committables in outputs:
            for committable in committables:
                self._output[committable.operator, committable.payload["id"]] = committable

    def _stored(self) -> StoredCut:
        with self._changed:
            acked, ended = dict(self._acked), dict(self._ended)
        snapshots = {task: acked[task].snapshot if task in acked else TaskSnapshot(ended=True) for task in self._tasks}
        self._keep(
            snapshot.committables if task in acked else ended[task].committables for task, snapshot in snapshots.items()
        )
        vertices = self.execution.vertices.values()
        return StoredCut(
            run=RUN,
            epoch=self._epoch,
            cut=self._cut,
            kind=CutKind.CHECKPOINT,
            groups=self.execution.groups,
            parallelism={vertex.id: vertex.parallelism for vertex in vertices},
            operators={vertex.id: tuple(node.id for node in vertex.operators) for vertex in vertices},
            tasks=snapshots,
            finished=self._splits.finished(snapshots),
            committables=tuple(self._output.values()),
        )

    def _created(self, makers: Makers) -> dict[TaskId, TaskExecution]:
        host = Host(self._exchange, Results(self._config), self._on_report, self._config, makers)
        vertices = self.execution.vertices.values()
        first = self._epoch * sum(vertex.parallelism for vertex in vertices)
        numbers = itertools.count(first)
        attempts = {vertex.id: tuple(next(numbers) for _ in range(vertex.parallelism)) for vertex in vertices}
        agents = {vertex.id: (AGENT,) * vertex.parallelism for vertex in vertices}
        placement = Placement(agents, attempts, {})
        tasks = [TaskId(RUN, vertex.id, index) for vertex in vertices for index in range(vertex.parallelism)]
        restores = {} if self._base is None else task_restores(self._base, topology_of(self.execution), tasks)
        created = {}
        for task in tasks:
            attempt = Attempt(task, attempts[task.vertex][task.index], self._epoch)
            splits, left = self._splits.first(task)
            assignment = Assignment(attempt, self.execution, placement, splits, left, restores.get(task), self._storage)
            created[task] = TaskExecution(assignment, host)
        return created

    def _with_meter(self, makers: Makers) -> Makers:
        return replace(
            makers,
            source=lambda spec: MeteredSource(makers.source(spec), self._meter),
            sink=lambda spec, schema: (
                HandingOver(self._on_batch) if spec.connector == RECORDED else makers.sink(spec, schema)
            ),
        )

    def _on_batch(self) -> None:
        if next(self._batches) == self._cut_behind:  # in a task's thread, which reads its mailbox next
            self.begin_cut()
            self._notify()

    def _on_report(self, report: TaskReport) -> None:
        with self._changed:
            match report:
                case SourceWarned():
                    self._warnings.log(report)
                case SplitWanted():
                    self._splits.answer(report, self._tasks)
                case CutAcked(attempt=attempt, cut=cut) if cut == self._cut:
                    self._acked[attempt.task] = report
                case CutFailed(failure=failure):
                    self._error = self._error or error_of(failure)
                case TaskChanged(attempt=attempt, state=TaskState.FINISHED):
                    self._ended[attempt.task] = report
                case TaskChanged(failure=Failure() as failure):
                    self._error = self._error or error_of(failure)
            self._changed.notify_all()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _wait(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            done = self._changed.wait_for(lambda: condition() or self._error is not None, WAIT_SECONDS)
        error, self._error = self._error, None
        if error is not None:
            raise error
        if not done:
            running = ", ".join(str(task) for task in self._tasks if task not in self._ended)
            raise TimeoutError(f"nothing happened for {WAIT_SECONDS:g} s; these tasks run: {running}")

    def _post(self, command: Command) -> Self:
        for task in self._tasks.values():
            task.post(command)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def _with_recorded_sinks(execution: ExecutionGraph) -> ExecutionGraph:
    """The graph with a sink that hands its rows over for each whose rows a client would pull."""
    vertices = {
        name: replace(
            vertex,
            operators=tuple(
                replace(node, spec=Sink(RECORDED)) if isinstance(node.spec, Sink) and node.spec.pulled else node
                for node in vertex.operators
            ),
        )
        for name, vertex in execution.vertices.items()
    }
    return replace(execution, vertices=vertices)
