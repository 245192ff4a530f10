"""Hands out the splits of a run that may continue from a cut, as the machine does on a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sabotnb.execution import finished_splits, opened_splits, topology_of
from sabotnb.graph import Source
from sabotnb.plan import ExecutionGraph, SplitQueue
from sabotnb.protocol import (
    AssignSplits,
    JobVertex,
    RaiseBound,
    SourceState,
    Split,
    SplitsLeft,
    SplitWanted,
    StoredCut,
    TaskId,
    TaskSnapshot,
)
from sabotnb.task import TaskExecution


class RestoredSplits:
    """All splits of a run, but those that were finished before ``cut``; those that were open in it come first.

    The caller does not call two methods at a time.
    """

    def __init__(self, execution: ExecutionGraph, splits: Mapping[str, Sequence[Split]], cut: StoredCut | None) -> None:
        topology = topology_of(execution)
        self._finished = {} if cut is None else finished_splits(cut, topology)
        self._queues: dict[str, SplitQueue] = {}
        self._handed: dict[TaskId, list[Split]] = {}
        self._first: dict[tuple[str, int], tuple[Split, ...]] = {}
        for vertex in execution.vertices.values():
            spec = vertex.operators[0].spec
            if isinstance(spec, Source):
                opened = _opened(cut, topology.vertices[vertex.id])
                begun = {split.id for of_task in opened for split in of_task}.union(self._finished.get(vertex.id, ()))
                left = [split for split in splits[vertex.id] if split.id not in begun]
                queue = self._queues[vertex.id] = SplitQueue(left, vertex.parallelism)
                for index, of_task in enumerate(queue.deal(whole=spec.dealt)):
                    self._first[vertex.id, index] = (*opened[index], *of_task)

    def first(self, task: TaskId) -> tuple[tuple[Split, ...], SplitsLeft]:
        """The splits with which a task begins, and what is left when all tasks have theirs."""
        if task.vertex not in self._queues:
            return (), SplitsLeft()
        splits = self._first[task.vertex, task.index]
        self._handed[task] = list(splits)
        return splits, self._queues[task.vertex].left()

    def answer(self, wanted: SplitWanted, tasks: Mapping[TaskId, TaskExecution]) -> None:
        """Hand splits to the task that asks, and tell the others what is left."""
        task = wanted.attempt.task
        queue = self._queues[task.vertex]
        splits = queue.take(wanted.nbytes)
        self._handed[task] += splits
        tasks[task].post(AssignSplits(wanted.attempt, splits, queue.left()))
        for other in tasks:
            if other.vertex == task.vertex:
                tasks[other].post(RaiseBound(task.run, wanted.attempt.epoch, task.vertex, queue.left()))

    def finished(self, snapshots: Mapping[TaskId, TaskSnapshot]) -> dict[str, tuple[str, ...]]:
        """The splits that were read completely up to a cut, by vertex; a task that has ended has read all it had."""
        finished = {vertex: list(self._finished.get(vertex, ())) for vertex in self._queues}
        for task, snapshot in snapshots.items():
            if task.vertex in finished:
                own = [split.id for split in self._handed[task]]
                finished[task.vertex] += own if snapshot.ended else (snapshot.source or SourceState()).finished
        return {vertex: tuple(splits) for vertex, splits in finished.items()}


def _opened(cut: StoredCut | None, vertex: JobVertex) -> list[tuple[Split, ...]]:
    return [()] * vertex.parallelism if cut is None else opened_splits(cut, vertex)
