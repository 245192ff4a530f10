"""What the metrics of many tasks cost their agent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import sabotnb as sb
from sabotnb import col, connectors
from sabotnb.cli.bench.measure import Case, Work
from sabotnb.cluster import control_codec
from sabotnb.cluster.agent_session import AgentSession
from sabotnb.config import Config
from sabotnb.graph import Source
from sabotnb.plan import execution_graph_codec, physical
from sabotnb.protocol import (
    FIRST_EPOCH,
    AssignSplits,
    Attempt,
    Deployment,
    DropRun,
    Event,
    Placement,
    RunId,
    SplitsLeft,
    StartSources,
    TaskId,
)

TASKS = 100
REPORTS = 20
"""Made for one timing; an agent makes two per second."""

RUN = RunId("bench-reports", 1)


@contextmanager
def cases() -> Iterator[list[Case]]:
    """One case: CPU seconds of a report of an agent with ``TASKS`` running tasks, all connected with all.

    The tasks run in this process, and only from when the case is made: they would disturb those before it.
    """
    with ExitStack() as running:
        yield [Case(f"metrics of {TASKS} tasks (CPU of a report)", lambda: _reporting(running))]


def _reporting(running: ExitStack) -> Work:
    session = AgentSession("bench", _ignore, Config(), None, "127.0.0.1")
    session.begin()
    running.callback(session.end)
    session.deploy(*_deployment())
    running.callback(session.command, DropRun(RUN))
    session.command(StartSources(RUN, FIRST_EPOCH))

    def work() -> float:
        start = time.thread_time()
        for _ in range(REPORTS):
            control_codec.dumps([session.metrics()])
        return (time.thread_time() - start) / REPORTS

    return work


def _deployment() -> tuple[Deployment, dict[str, bytes]]:
    ticks = sb.Stream.from_rate(10_000).named("ticks", parallelism=1)
    spread = ticks.rebalance().filter(col("value") >= 0).named("spread", parallelism=TASKS // 2)
    counts = spread.group_by("value").agg(n=sb.count()).named("counts", parallelism=TASKS // 2 - 1)
    graph = physical(counts.to_job_graph(), 1)
    execution, blobs = execution_graph_codec.dump(graph)
    tasks = [TaskId(RUN, vertex.id, index) for vertex in graph.vertices.values() for index in range(vertex.parallelism)]
    attempts = {task: Attempt(task, number, FIRST_EPOCH) for number, task in enumerate(tasks)}
    numbers = {
        vertex.id: tuple(attempts[TaskId(RUN, vertex.id, index)].number for index in range(vertex.parallelism))
        for vertex in graph.vertices.values()
    }
    specs = {vertex.id: vertex.operators[0].spec for vertex in graph.vertices.values()}
    splits = tuple(
        AssignSplits(attempt, tuple(connectors.source(spec).splits()), SplitsLeft())
        for task, attempt in attempts.items()
        if isinstance(spec := specs[task.vertex], Source)
    )
    return Deployment(
        RUN,
        FIRST_EPOCH,
        execution,
        Placement({vertex.id: ("bench",) * vertex.parallelism for vertex in graph.vertices.values()}, numbers, {}),
        tuple(attempts.values()),
        splits,
    ), blobs


def _ignore(_event: Event) -> None:
    """No machine controls these tasks."""
