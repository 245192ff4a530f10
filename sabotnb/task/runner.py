"""All tasks of one agent."""

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
    Attempt,
    CancelTasks,
    Command,
    Deployment,
    Fence,
    ForgetJob,
    PauseSources,
    Queue,
    ResumeSources,
    StartSources,
    StopSources,
    TaskChanged,
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
class _JobTasks:
    """What this agent runs of one run of a job: ``tasks`` that have not ended, and every attempt there ever was."""

    epoch: int
    tasks: dict[Attempt, TaskExecution] = field(default_factory=dict)
    attempts: set[Attempt] = field(default_factory=set)


class TaskRunner:
    """Starts one thread per deployed task and passes commands on; any thread may call it.

    ``report`` is told every change of a task's state, from the tasks' threads; it must neither block nor raise.
    Messages of an epoch that is over are refused with StaleMessage. A canceled task is waited for ``grace`` seconds.
    """

    def __init__(
        self,
        exchange: TaskExchange,
        report: Callable[[TaskChanged], None],
        results: Results,
        config: Config,
        makers: Makers | None = None,
        grace: float = GRACE_SECONDS,
    ) -> None:
        self._grace = grace
        self._report = report
        self._host = Host(exchange, results, self._on_change, config, makers or Makers())
        self._lock = threading.Lock()
        self._jobs: dict[str, _JobTasks] = {}
        self._epochs: dict[str, int] = {}
        self._hanging: list[TaskExecution] = []
        self._probing = threading.Lock()

    def deploy(self, deployment: Deployment, blobs: Mapping[str, bytes]) -> None:
        """Start the deployment's tasks, beside those of the same epoch that are here; does not wait for them to run.

        ``blobs`` are the functions and tables of the graph by sha256. A deployment that cannot be started is reported
        as FAILED for each of its tasks. StaleMessage if one of its attempts was deployed before, or its epoch is over.
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

    def _admit(self, deployment: Deployment) -> _JobTasks:
        """The run that the deployment belongs to; a later epoch replaces what is left of an earlier one."""
        job, epoch = deployment.job, deployment.epoch
        with self._lock:
            older = running = self._jobs.get(job)
            if running is None or running.epoch != epoch:
                last = self._epochs.get(job)
                if last is not None and epoch <= last:
                    raise StaleMessage(
                        f"job {job!r} was deployed here in epoch {last}; a deployment of epoch {epoch} is over"
                    )
                running = self._jobs[job] = _JobTasks(epoch)
                self._epochs[job] = epoch
            if twice := running.attempts.intersection(deployment.attempts):
                raise StaleMessage(f"{min(twice)} was deployed here before")
            running.attempts.update(deployment.attempts)
        if older is not None and older is not running:
            self._drop(job, older)
        return running

    def _on_change(self, changed: TaskChanged) -> None:
        """Report the change; a task that has ended is dropped, and what its operators hold with it."""
        if changed.state in ENDED:
            with self._lock:
                running = self._jobs.get(changed.attempt.task.job)
                if running is not None:
                    running.tasks.pop(changed.attempt, None)
        self._report(changed)

    def command(self, command: Command) -> None:
        """Carry out a command; does not wait for its effect. StaleMessage if its job or epoch does not run here."""
        match command:
            case (
                StartSources(job, epoch)
                | StopSources(job, epoch)
                | PauseSources(job, epoch)
                | ResumeSources(job, epoch)
            ):
                for task in self._running(job, epoch, type(command).__name__):
                    task.post(command)
            case CancelTasks(job, epoch):
                self._cancel(job, epoch, self._running(job, epoch, type(command).__name__))
            case ForgetJob(job, epoch):
                self._forget(job, epoch)
            case Fence():
                self.stop()

    def metrics(self) -> dict[Attempt, TaskCounters]:
        """Counters of every task that has not ended; those that have reported theirs with their last state.

        Of their state it has what was measured for the call before.
        """
        tasks = self._tasks()
        for task in tasks:
            task.ask_state_size()
        return {task.attempt: task.counters() for task in tasks}

    def sent(self) -> dict[tuple[Attempt, int], tuple[int, int]]:
        """(rows, bytes) that each such task has sent on each of its edges."""
        return {(task.attempt, edge): sent for task in self._tasks() for edge, sent in task.sent().items()}

    def queues(self) -> dict[Attempt, tuple[Queue, ...]]:
        """What is unread in the gate of each such task that has something to read."""
        return {task.attempt: queues for task in self._tasks() if (queues := task.queues())}

    def probe(
        self, job: str, epoch: int, vertex: str, operator: str, keys: Sequence[str], rows: int, wait: float
    ) -> list[dict[str, Any]]:
        """What went by behind ``operator`` lately: a dict for each task of ``vertex`` that runs here.

        Waits until each of them has seen a row, at most ``wait`` seconds. The first question puts the probes there, so
        ``seen`` rows and ``seconds`` count from then; without further questions they are taken out again. ``batch`` is
        an Arrow IPC stream of the last ``rows`` rows (b"" for none), ``schema`` an IPC schema if it is known, ``hot``
        lists the most frequent values of columns ``keys`` as text and their number among ``kept`` rows; beside them
        are the task's ``index`` and ``watermark``.

        Raises:
            StaleMessage: the run is over here.
            ProtocolError: the vertex has no such operator.
        """
        alive = self._running(job, epoch, "probe")
        if not alive:
            raise StaleMessage(f"probe of job {job!r}, epoch {epoch}: its tasks here are over")
        with self._probing:
            probed = [(task, task.probe(operator)) for task in alive if task.attempt.task.vertex == vertex]
        deadline = time.monotonic() + wait
        for _, probe in probed:
            probe.wait_seen(max(0.0, deadline - time.monotonic()))
        return [_probed(task, operator, probe.sample(), keys, rows) for task, probe in probed]

    def take_out_probes(self) -> None:
        """Take out the probes that nobody has asked for lately; to be called about once a second."""
        with self._probing:
            for task in self._tasks():
                task.take_out_probes()

    def hanging(self) -> list[Attempt]:
        """Attempts that were given up (see ``canceling``) and whose thread lives: what they hold is not free."""
        with self._lock:
            self._hanging = [task for task in self._hanging if task.alive]
            return [task.attempt for task in self._hanging]

    def stop(self) -> None:
        """Cancel everything and forget it; waits for the threads, but not for those that hang."""
        with self._lock:
            jobs, self._jobs = self._jobs, {}
        for job, running in jobs.items():
            for task in running.tasks.values():
                task.post(CancelTasks(job, running.epoch))
        self._await([task for running in jobs.values() for task in running.tasks.values()])
        for job, running in jobs.items():
            self._release(job, running.epoch)

    def _make(self, deployment: Deployment, blobs: Mapping[str, bytes]) -> tuple[TaskExecution, ...]:
        """Make every task, and so every gate, before one of them runs and sends."""
        graph = execution_graph_codec.load(deployment.execution, blobs)
        return tuple(
            TaskExecution(
                Assignment(
                    attempt,
                    graph,
                    deployment.placement,
                    deployment.agents,
                    deployment.splits.get(attempt.task, ()),
                ),
                self._host,
            )
            for attempt in deployment.attempts
        )

    def _running(self, job: str, epoch: int, what: str) -> Sequence[TaskExecution]:
        with self._lock:
            running = self._jobs.get(job)
            if running is None or running.epoch != epoch:
                found = "it does not run here" if running is None else f"here runs epoch {running.epoch}"
                raise StaleMessage(f"{what} of job {job!r}, epoch {epoch}: {found}")
            return list(running.tasks.values())

    def _tasks(self) -> list[TaskExecution]:
        """Tasks that have not ended."""
        with self._lock:
            return [task for running in self._jobs.values() for task in running.tasks.values()]

    def _cancel(self, job: str, epoch: int, tasks: Sequence[TaskExecution]) -> None:
        for task in tasks:
            task.post(CancelTasks(job, epoch))
        threading.Thread(target=self._await, args=(tasks,), name=f"cancel {job}", daemon=True).start()

    def _await(self, tasks: Iterable[TaskExecution]) -> None:
        hanging = await_canceled(tasks, self._grace)
        with self._lock:
            self._hanging += hanging

    def _forget(self, job: str, epoch: int) -> None:
        """Drop what is left of the job. A job that is not here, or in a later epoch, has nothing left."""
        with self._lock:
            running = self._jobs.get(job)
            if running is None or running.epoch > epoch:
                return
            del self._jobs[job]
        self._drop(job, running)

    def _drop(self, job: str, running: _JobTasks) -> None:
        if running.tasks:
            self._cancel(job, running.epoch, list(running.tasks.values()))
        self._release(job, running.epoch)

    def _release(self, job: str, epoch: int) -> None:
        self._host.exchange.release(job, epoch)
        self._host.results.release(job, epoch)


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
