"""Task jobs: run a list of calls on the agents and return their results in the order of the list.

A task job is an ordinary job: a source whose splits are the tasks, and a sink that the client reads. It takes slots,
shows metrics, is canceled and fails like any other job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import cloudpickle

from sabotnb import connectors
from sabotnb.cluster.client import ClusterClient
from sabotnb.cluster.failures import job_failed
from sabotnb.connectors.sources import task_calls as connector
from sabotnb.errors import ClusterLost, GraphError, JobError
from sabotnb.execution import job_request
from sabotnb.graph import JobGraph, Operator, Sink
from sabotnb.plan import JobLevels, physical
from sabotnb.protocol import JobState, RunId

SOURCE, RESULTS = "tasks", "results"
"""Ids of the two operators; they run in one vertex, called like the first."""


@dataclass(frozen=True, slots=True)
class Task:
    """One call.

    ``operator_type`` says what ``operator_name`` is: ``python``, a callable or the import path ``module:function`` of
    one that every agent can import; ``arrow``, a function of ``pyarrow.compute``. It is called with ``data`` and the
    ``parameters`` as keywords. All of it, and what it returns, must be picklable.
    """

    task_id: str
    operator_type: str
    operator_name: str | Callable[..., Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    data: Any = None


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a task returned, and the agent that ran it."""

    task_id: str
    agent: str
    value: Any


class TaskJob:
    """A running task job. ``results()`` waits for it, ``await job`` does so without blocking an event loop."""

    def __init__(self, client: ClusterClient, run: RunId, tasks: Sequence[Task]) -> None:
        self.name = run.job
        self.run_id = run
        self._client = client
        self._tasks = tuple(tasks)
        self._results: list[TaskResult] | None = None

    def results(self) -> list[TaskResult]:
        """One result per task, in the order of the tasks.

        Raises:
            JobFailed: a task raised; its exception is the cause, and no task started after it.
            JobCanceled: somebody canceled the job.
        """
        if self._results is None:
            values = self._values()
            agents = self._agents()
            self._results = [
                TaskResult(task.task_id, agents[number % len(agents)], values[number])
                for number, task in enumerate(self._tasks)
            ]
            with suppress(ClusterLost):  # and the results that it kept are gone, too
                self._client.drop_results(self.run_id)
        return self._results

    def cancel(self) -> None:
        """End the job at once."""
        self._client.cancel(self.run_id)

    def __await__(self) -> Generator[Any, None, list[TaskResult]]:
        return asyncio.to_thread(self.results).__await__()

    def _values(self) -> dict[int, Any]:
        """Results by number of their task. Unpickled here, in the client that sent the tasks."""
        values: dict[int, Any] = {}
        for batch in self._client.batches(self.run_id, SOURCE, RESULTS):
            for row in batch.to_pylist():
                values[row["number"]] = cloudpickle.loads(row["result"])  # from the job's own agents
        status = self._client.wait(self.run_id)
        if status is None or status.state is not JobState.FINISHED:
            raise job_failed(self.name, status)
        return values

    def _agents(self) -> list[str]:
        """The agent of each task of the source; they were dealt the splits in turn."""
        status = self._client.status(self.run_id)
        return [task.agent for task in status.tasks if task.vertex == SOURCE]


def submit_job(client: ClusterClient, name: str, tasks: Sequence[Task], parallelism: int | None = None) -> TaskJob:
    """Distribute ``tasks`` to the agents round-robin: with two agents, agent-1 runs the first, third, fifth ... task.

    ``parallelism`` threads in all run them, by default as many per agent as every agent has free slots.

    Raises:
        GraphError: there are no tasks, or two of one id, or one of an unknown operator type.
        UnpicklableFunction: a task cannot travel to the agents.
        InsufficientSlots: there are no agents.
    """
    ids = [task.task_id for task in tasks]
    if not ids:
        raise GraphError(f"job {name!r} has no tasks: give submit_job a list of sb.Task(...)")
    twice = sorted({task for task in ids if ids.count(task) > 1})
    if twice:
        raise GraphError(f"job {name!r} has several tasks of one id: {', '.join(twice)}; task_id must be unique")
    calls = [connector.TaskCall(task.operator_type, task.operator_name, task.parameters, task.data) for task in tasks]
    source = connector.tasks(ids, calls)
    graph = (
        JobGraph()
        .add_operator(Operator(SOURCE, source))
        .add_operator(Operator(RESULTS, Sink("collect")))
        .connect(SOURCE, RESULTS)
    )
    graph.validate()
    splits = {SOURCE: tuple(connectors.source(source).splits())}
    execution = physical(graph, parallelism or _threads(client, len(tasks)))
    request, blobs = job_request(
        name,
        execution,
        splits,
        owner=client.owner,
        fingerprint=uuid4().hex,
        levels=JobLevels(graph, None, execution),
    )
    return TaskJob(client, client.submit_stream_job(request, blobs).run, tasks)


def _threads(client: ClusterClient, tasks: int) -> int:
    """As many per agent as each has free slots, but no more than there is work for; one per agent if all are held."""
    agents = client.slots()
    if not agents:
        raise JobError("no agents are registered, so no task can run: env.scale(2) starts two")
    free: int = min(agent["free"] for agent in agents)
    each = min(max(1, free), -(-tasks // len(agents)))
    return each * len(agents)
