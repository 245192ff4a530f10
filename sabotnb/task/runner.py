"""Starts, commands and observes all tasks of one agent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sabotnb.config import Config
from sabotnb.errors import StaleMessage
from sabotnb.metrics import TaskCounters
from sabotnb.plan import execution_graph_codec
from sabotnb.protocol import (
    AssignSplits,
    Attempt,
    CancelTasks,
    Command,
    CutStored,
    Deployment,
    DropRun,
    Fence,
    PauseSources,
    Queue,
    RaiseBound,
    ResumeSources,
    RunId,
    SplitsLeft,
    StartSources,
    StopSources,
    TakeCut,
    TaskChanged,
    TaskReport,
    TaskState,
)
from sabotnb.task.canceling import GRACE_SECONDS, await_canceled
from sabotnb.task.failure_report import failure_of
from sabotnb.task.host import Assignment, Host, Makers, TaskExchange
from sabotnb.task.probe import ProbeSample
from sabotnb.task.result_buffers import Results
from sabotnb.task.task import TaskExecution

ENDED = (TaskState.FINISHED, TaskState.FAILED, TaskState.CANCELED)


@dataclass(slots=True)
class _RunTasks:
    """The part of a run that this agent runs: ``tasks`` that have not ended, and all ``attempts`` of the epoch."""

    run: RunId
    epoch: int
    tasks: dict[Attempt, TaskExecution] = field(default_factory=dict)
    attempts: set[Attempt] = field(default_factory=set)
    samples: list[dict[str, Any]] = field(default_factory=list)
    """Late and failing rows of tasks that have ended."""


class TaskRunner:
    """Starts one thread per deployed task and passes commands to the tasks; any thread may call it.

    ``report`` is called with all that a task reports, from the tasks' threads; it must neither block nor raise.
    Messages of an earlier run or epoch are refused with StaleMessage. The runner waits ``grace`` seconds for a canceled
    task.
    """

    def __init__(
        self,
        exchange: TaskExchange,
        report: Callable[[TaskReport], None],
        results: Results,
        config: Config,
        makers: Makers | None = None,
        grace: float = GRACE_SECONDS,
    ) -> None:
        self._grace = grace
        self._report = report
        self._host = Host(exchange, results, self._on_report, config, makers or Makers())
        self._lock = threading.Lock()
        self._runs: dict[str, _RunTasks] = {}
        """By job, its newest run here."""
        self._newest: dict[str, tuple[RunId, int]] = {}
        """By job, the newest run and epoch that was ever deployed here."""
        self._hanging: list[TaskExecution] = []
        self._probing = threading.Lock()

    def deploy(self, deployment: Deployment, blobs: Mapping[str, bytes]) -> None:
        """Start the deployment's tasks, in addition to those of the same epoch; does not wait until they run.

        ``blobs`` are the functions and tables of the graph by sha256. If the deployment cannot be started, each of its
        tasks is reported as FAILED. StaleMessage if an attempt was deployed before, or the epoch has ended here.
        """
        running = self._admit(deployment)
        try:
            tasks = self._make(deployment, blobs)
        except Exception as error:  # noqa: BLE001 - becomes the failure of the job
            failure = failure_of(error, self._host.agent)
            for attempt in deployment.attempts:
                self._report(TaskChanged(self._host.agent, attempt, TaskState.FAILED, failure))
            return
        with self._lock:
            running.tasks |= {task.attempt: task for task in tasks}
        for task in tasks:
            task.start()

    def _admit(self, deployment: Deployment) -> _RunTasks:
        """Register the attempts of a deployment; a later run or epoch replaces the tasks of an earlier one."""
        run, epoch = deployment.run, deployment.epoch
        with self._lock:
            previous = running = self._runs.get(run.job)
            if running is None or (running.run, running.epoch) != (run, epoch):
                newest = self._newest.get(run.job)
                if newest is not None and (run, epoch) <= newest:
                    late = f"a deployment of {run}, epoch {epoch}, is stale"
                    raise StaleMessage(f"{newest[0]} was deployed here in epoch {newest[1]}; {late}")
                running = self._runs[run.job] = _RunTasks(run, epoch)
                self._newest[run.job] = run, epoch
            if repeated := running.attempts.intersection(deployment.attempts):
                raise StaleMessage(f"{min(repeated)} was deployed here before")
            running.attempts.update(deployment.attempts)
        if previous is not None and previous is not running:
            self._replace(previous, running)
        return running

    def _on_report(self, report: TaskReport) -> None:
        """Pass the report on; drop a task that has ended, so that its memory is freed."""
        if isinstance(report, TaskChanged) and report.state in ENDED:
            with self._lock:
                running = self._runs.get(report.attempt.run.job)
                ended = running.tasks.pop(report.attempt, None) if running is not None else None
                if running is not None and ended is not None:
                    running.samples += ended.samples()
        self._report(report)

    def command(self, command: Command) -> None:
        """Carry out a command without waiting for its effect; StaleMessage if its run or epoch does not run here."""
        match command:
            case (
                StartSources(run, epoch)
                | StopSources(run, epoch)
                | PauseSources(run, epoch)
                | ResumeSources(run, epoch)
                | TakeCut(run, epoch)
                | CutStored(run, epoch)
            ):
                for task in self._running(type(command).__name__, run, epoch):
                    task.post(command)
            case AssignSplits(attempt):
                self._task(attempt).post(command)
            case RaiseBound(run, epoch, vertex):
                for task in self._running(type(command).__name__, run, epoch):
                    if task.attempt.task.vertex == vertex:
                        task.post(command)
            case CancelTasks(run, epoch):
                self._cancel(run, epoch, self._running(type(command).__name__, run, epoch))
            case DropRun(run):
                self._remove(run)
            case Fence():
                self.stop()

    def metrics(self) -> dict[Attempt, TaskCounters]:
        """Return the counters of every running task; ended tasks have reported theirs with their last state.

        The size of the state is the one measured for the previous call.
        """
        tasks = self._tasks()
        for task in tasks:
            task.ask_state_size()
        return {task.attempt: task.counters() for task in tasks}

    def sent(self) -> dict[tuple[Attempt, int], tuple[int, int]]:
        """Return (rows, bytes) that each running task has sent on each of its edges."""
        return {(task.attempt, edge): sent for task in self._tasks() for edge, sent in task.sent().items()}

    def queues(self) -> dict[Attempt, tuple[Queue, ...]]:
        """Return the queues of each running task that has elements to read."""
        return {task.attempt: queues for task in self._tasks() if (queues := task.queues())}

    def probe(
        self, run: RunId, vertex: str, operator: str, keys: Sequence[str], rows: int, wait: float
    ) -> list[dict[str, Any]]:
        """Return the last rows behind ``operator``: a dict for each task of ``vertex`` that runs here.

        Waits until each task has seen a row, ``wait`` seconds at most. The first call creates the probes, so ``seen``
        rows and ``seconds`` count from then; without further calls they are removed. ``batch`` is an Arrow IPC stream
        of the last ``rows`` rows (b"" for none), ``schema`` an IPC schema if it is known. ``hot`` lists the most
        frequent values of columns ``keys`` as text with their number among the ``kept`` rows. ``index`` and
        ``watermark`` are those of the task.

        Raises:
            StaleMessage: the run has no tasks here.
            ProtocolError: the vertex has no such operator.
        """
        alive = self._running("probe", run)
        if not alive:
            raise StaleMessage(f"probe of {run}: its tasks here have ended")
        with self._probing:
            probed = [(task, task.probe(operator)) for task in alive if task.attempt.task.vertex == vertex]
        deadline = time.monotonic() + wait
        for _, probe in probed:
            probe.wait_seen(max(0.0, deadline - time.monotonic()))
        return [_probed(task, operator, probe.sample(), keys, rows) for task, probe in probed]

    def samples(self, run: RunId) -> list[dict[str, Any]]:
        """Return the last late and failing rows of the tasks of ``run`` here (see ``KeptSamples.answers``).

        Those of tasks that have ended are kept until the run is dropped or the next run of its job comes.
        """
        with self._lock:
            running = self._runs.get(run.job)
            if running is None or running.run != run:
                return []
            tasks, samples = list(running.tasks.values()), list(running.samples)
        return [*samples, *(sample for task in tasks for sample in task.samples())]

    def take_out_probes(self) -> None:
        """Remove the probes that were not read lately; call it about once a second."""
        with self._probing:
            for task in self._tasks():
                task.take_out_probes()

    def hanging(self) -> list[Attempt]:
        """Return the attempts reported as CANCELED whose thread still runs and holds its memory (see ``canceling``)."""
        with self._lock:
            self._hanging = [task for task in self._hanging if task.alive]
            return [task.attempt for task in self._hanging]

    def stop(self) -> None:
        """Cancel and drop all tasks; waits for their threads, except those that hang."""
        with self._lock:
            runs, self._runs = list(self._runs.values()), {}
        for running in runs:
            for task in running.tasks.values():
                task.post(CancelTasks(running.run, running.epoch))
        self._await([task for running in runs for task in running.tasks.values()])
        for running in runs:
            self._release(running)

    def _make(self, deployment: Deployment, blobs: Mapping[str, bytes]) -> tuple[TaskExecution, ...]:
        """Create every task with its gate before any task runs and sends."""
        graph = execution_graph_codec.load(deployment.execution, blobs)
        first = {assigned.attempt: (assigned.splits, assigned.left) for assigned in deployment.splits}
        return tuple(
            TaskExecution(
                Assignment(
                    attempt,
                    graph,
                    deployment.placement,
                    *first.get(attempt, ((), SplitsLeft())),
                    restore=deployment.restores.get(attempt),
                    storage=deployment.storage,
                    lineage=deployment.lineage,
                ),
                self._host,
            )
            for attempt in deployment.attempts
        )

    def _running(self, what: str, run: RunId, epoch: int | None = None) -> Sequence[TaskExecution]:
        """Return the tasks of a run that have not ended; StaleMessage if it does not run here in ``epoch``."""
        with self._lock:
            running = self._runs.get(run.job)
            if running is None or running.run != run or epoch not in (None, running.epoch):
                wanted = str(run) if epoch is None else f"{run}, epoch {epoch}"
                here = "it does not run here" if running is None else f"{running.run}, epoch {running.epoch} runs here"
                raise StaleMessage(f"{what} of {wanted}: {here}")
            return list(running.tasks.values())

    def _task(self, attempt: Attempt) -> TaskExecution:
        """Return the task of ``attempt``; StaleMessage if it does not run here."""
        with self._lock:
            running = self._runs.get(attempt.run.job)
            task = running.tasks.get(attempt) if running is not None else None
        if task is None:
            raise StaleMessage(f"splits for {attempt}, which does not run here")
        return task

    def _tasks(self) -> list[TaskExecution]:
        """Return the tasks that have not ended."""
        with self._lock:
            return [task for running in self._runs.values() for task in running.tasks.values()]

    def _cancel(self, run: RunId, epoch: int, tasks: Sequence[TaskExecution]) -> None:
        for task in tasks:
            task.post(CancelTasks(run, epoch))
        threading.Thread(target=self._await, args=(tasks,), name=f"cancel {run}", daemon=True).start()

    def _await(self, tasks: Iterable[TaskExecution]) -> None:
        hanging = await_canceled(tasks, self._grace)
        with self._lock:
            self._hanging += hanging

    def _remove(self, run: RunId) -> None:
        """Cancel and drop the tasks of ``run``, unless a later run of its job runs here."""
        with self._lock:
            running = self._runs.get(run.job)
            if running is None or running.run > run:
                return
            del self._runs[run.job]
        self._cancel_all(running)
        self._release(running)

    def _replace(self, previous: _RunTasks, following: _RunTasks) -> None:
        """Cancel the tasks of an earlier run or epoch. A run that restarts keeps its results, which clients read."""
        self._cancel_all(previous)
        if previous.run == following.run:
            self._host.exchange.release(previous.run, previous.epoch)
        else:
            self._release(previous)

    def _cancel_all(self, running: _RunTasks) -> None:
        if running.tasks:
            self._cancel(running.run, running.epoch, list(running.tasks.values()))

    def _release(self, running: _RunTasks) -> None:
        self._host.exchange.release(running.run, running.epoch)
        self._host.results.release(running.run)


def _probed(task: TaskExecution, operator: str, sample: ProbeSample, keys: Sequence[str], rows: int) -> dict[str, Any]:
    schema = task.schema(operator)
    return {
        "index": task.attempt.task.index,
        "seen": sample.seen,
        "kept": sample.rows,
        "seconds": time.monotonic() - sample.since,
        "batch": sample.last(rows),
        "schema": None if schema is None else schema.serialize().to_pybytes(),
        "hot": [list(key) for key in sample.hot(keys)],
        "watermark": task.counters().watermark,
    }
