"""Hands splits out to the tasks of a run in this process, as ``execution.split_handout`` does on a cluster."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from sabotnb.graph import Source
from sabotnb.plan import ExecutionGraph, SplitQueue
from sabotnb.protocol import AssignSplits, Attempt, RaiseBound, Split, SplitsLeft, SplitWanted
from sabotnb.task.task import TaskExecution


class LocalHandout:
    """The splits of one run; its tasks ask for them from their own threads."""

    def __init__(self, execution: ExecutionGraph, splits: Mapping[str, Sequence[Split]]) -> None:
        self._lock = threading.Lock()
        self._timed: set[str] = set()
        self._queues: dict[str, SplitQueue] = {}
        self._first: dict[str, list[tuple[Split, ...]]] = {}
        for vertex in execution.vertices.values():
            spec = vertex.operators[0].spec
            if isinstance(spec, Source):
                queue = self._queues[vertex.id] = SplitQueue(splits.get(vertex.id, ()), vertex.parallelism)
                self._first[vertex.id] = queue.deal(whole=spec.dealt)
                if spec.event_time is not None:
                    self._timed.add(vertex.id)

    def first(self, attempt: Attempt) -> tuple[tuple[Split, ...], SplitsLeft]:
        """The splits with which a task begins, and what is left when all tasks have theirs."""
        vertex = attempt.task.vertex
        if vertex not in self._queues:
            return (), SplitsLeft()
        return self._first[vertex][attempt.task.index], self._queues[vertex].left()

    def answer(self, wanted: SplitWanted, tasks: Mapping[Attempt, TaskExecution]) -> None:
        """Hand splits to the task that asks; with event time, tell the others what is left."""
        task = wanted.attempt.task
        queue = self._queues[task.vertex]
        with self._lock:  # held while posting: a task must not learn of a bound before it has its own splits
            splits = queue.take(wanted.nbytes)
            left = queue.left()
            tasks[wanted.attempt].post(AssignSplits(wanted.attempt, splits, left))
            if task.vertex in self._timed:
                for attempt, other in tasks.items():
                    if attempt.task.vertex == task.vertex:
                        other.post(RaiseBound(task.run, attempt.epoch, task.vertex, left))
