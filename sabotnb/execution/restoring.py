"""What the tasks of an epoch begin with after a restore: their parts of a stored cut, and the splits that are left.

Theory of operation
-------------------
Operators are known by their ids, so a run may be restored from a cut of another graph. Each operator finds the vertex
that it was in. With the parallelism of that vertex, a task takes the snapshot of its own index, else those of all tasks
of the vertex, of which it loads the key groups that it owns now. An operator that the cut does not know begins empty.
A run that lacks an operator which has state in the cut is refused, unless it says that this state is dropped. An
operator of the run that has the id of one whose state is dropped begins empty too: it is another one.

A source goes on with the splits that were open in the cut, each at its position. Those that it had read completely are
not read again. All others are handed out again, also those that a task had been handed and had not begun: the cut does
not say which these are. A task that had ended in the cut reads no more, nor does it take rows, unless one above it
still sends some (``ended_tasks``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sabotnb.execution.ended_tasks import ended_tasks, is_rescaled, origins_of
from sabotnb.protocol import JobTopology, JobVertex, Memo, Split, StoredCut, TaskId, TaskRestore, TaskSnapshot

OUT = ""
"""The key of the watermark that has left a task among its event times."""


DROPPED = " (dropped)"
"""Follows the ids of operators in a cut whose state is dropped."""


def without_operators(cut: StoredCut, dropped: Collection[str]) -> StoredCut:
    """Return ``cut`` without the operators in ``dropped``: no operator of a run has their ids there."""
    if not dropped:
        return cut

    def known(operator: str) -> str:
        return operator + DROPPED if operator in dropped else operator

    tasks = {
        task: replace(
            snapshot,
            memos={known(operator): memo for operator, memo in snapshot.memos.items()},
            event_times={known(operator): at for operator, at in snapshot.event_times.items()},
            stateful=tuple(map(known, snapshot.stateful)),
        )
        for task, snapshot in cut.tasks.items()
    }
    operators = {vertex: tuple(map(known, chain)) for vertex, chain in cut.operators.items()}
    return replace(cut, tasks=tasks, operators=operators)


def task_restores(cut: StoredCut, topology: JobTopology, tasks: Sequence[TaskId]) -> dict[TaskId, TaskRestore]:
    """What each of ``tasks`` is restored from; a task of which the cut knows no operator is not among them."""
    restores = {}
    ended = ended_tasks(cut, topology)
    for task in tasks:
        vertex = topology.vertices[task.vertex]
        rescaled = vertex.id in ended.again or is_rescaled(cut, vertex)
        snapshots = {origin: cut.snapshots(origin) for origin in origins_of(cut, vertex)}
        if not rescaled:
            snapshots = {origin: of_tasks[task.index : task.index + 1] for origin, of_tasks in snapshots.items()}
        if snapshots:
            has_ended = task.index in ended.indexes[vertex.id]
            restores[task] = _restore(cut, vertex, snapshots, ended=has_ended, rescaled=rescaled)
    return restores


def above_ended(cut: StoredCut, topology: JobTopology) -> list[str]:
    """The operators whose rows would go to tasks that had ended before ``cut`` and cannot run again."""
    above = ended_tasks(cut, topology).above
    return [operator for vertex in dict.fromkeys(above) for operator in topology.vertices[vertex].operator_ids]


def stateful_operators(cut: StoredCut) -> list[str]:
    """The operators with state in the cut, a position of a source included."""
    stateful: dict[str, None] = {}
    for task, snapshot in cut.tasks.items():
        chain = cut.operators[task.vertex]
        stateful.update(dict.fromkeys(operator for operator, memo in snapshot.memos.items() if memo))
        if snapshot.file is not None:
            stateful.update(dict.fromkeys(snapshot.stateful or chain))
        if snapshot.source is not None:
            stateful.update(dict.fromkeys(chain[:1]))
    return list(stateful)


def finished_splits(cut: StoredCut, topology: JobTopology) -> dict[str, tuple[str, ...]]:
    """By source vertex, the splits that were read completely before the cut."""
    return {
        vertex.id: cut.finished.get(origin, ())
        for vertex in topology.sources
        if (origin := _source_origin(cut, vertex)) is not None
    }


def opened_splits(cut: StoredCut, vertex: JobVertex) -> list[tuple[Split, ...]]:
    """The splits with which each task of a source goes on."""
    origin = _source_origin(cut, vertex)
    if origin is None:
        return [()] * vertex.parallelism
    opened = [snapshot.source.opened if snapshot.source else () for snapshot in cut.snapshots(origin)]
    if len(opened) == vertex.parallelism:
        return opened
    dealt = sorted((split for splits in opened for split in splits), key=lambda split: split.lower_bound)
    return [tuple(dealt[index :: vertex.parallelism]) for index in range(vertex.parallelism)]


def _restore(
    cut: StoredCut, vertex: JobVertex, snapshots: Mapping[str, Sequence[TaskSnapshot]], *, ended: bool, rescaled: bool
) -> TaskRestore:
    parts = [snapshot for of_vertex in snapshots.values() for snapshot in of_vertex]
    memos: dict[str, tuple[Memo, ...]] = {}
    event_times: dict[str, int] = {}
    for operator in vertex.operator_ids:
        memos[operator] = tuple(part.memos[operator] for part in parts if operator in part.memos)
        reached = [part.event_times[operator] for part in parts if operator in part.event_times]
        if reached:
            event_times[operator] = min(reached)
    left = _left_behind(cut, vertex.operator_ids[-1], snapshots)
    if left:
        event_times[OUT] = min(left)
    return TaskRestore(
        files=tuple(dict.fromkeys(part.file for part in parts if part.file is not None)),
        memos={operator: of_tasks for operator, of_tasks in memos.items() if of_tasks},
        event_times=event_times,
        ended=ended,
        rescaled=rescaled,
        dropped=tuple(
            operator
            for operator in vertex.operator_ids
            for origin in snapshots
            if operator + DROPPED in cut.operators[origin]
        ),
    )


def _left_behind(cut: StoredCut, operator: str, snapshots: Mapping[str, Sequence[TaskSnapshot]]) -> list[int]:
    """The watermarks that had left ``operator``, with which a chain ends now: they were in front of the next one."""
    for origin, parts in snapshots.items():
        chain = cut.operators[origin]
        if operator in chain:
            following = (*chain, OUT)[chain.index(operator) + 1]
            return [part.event_times[following] for part in parts if following in part.event_times]
    return []


def _source_origin(cut: StoredCut, vertex: JobVertex) -> str | None:
    source = vertex.operator_ids[:1]
    return next((origin for origin, chain in cut.operators.items() if chain[:1] == source), None)
