"""Hands the splits of sources out to their tasks, on demand.

Theory of operation. The splits of a run belong to the run, not to its tasks. Each source vertex has a ``SplitQueue`` of
those that no task has yet. A task gets its first splits with its deployment, and asks for more (``SplitWanted``) before
it has read them. The answer (``AssignSplits``) also says what is left: the bound of the splits in the queue limits the
watermark of every task of the vertex, since the task itself may get them next.

With event time, the other tasks are told when that bound rises (``RaiseBound``), or their watermarks would stand still
until their own next answer. The order of the two messages matters. A task must not learn of a bound that has risen
above splits that are on their way to it, so its own answer is sent first: an agent handles messages in their order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from sabotnb.execution.cluster_state import tell_running
from sabotnb.execution.job_run import JobRun
from sabotnb.execution.restoring import opened_splits
from sabotnb.plan import SplitQueue
from sabotnb.protocol import (
    AssignSplits,
    Instruction,
    JobVertex,
    RaiseBound,
    Split,
    SplitWanted,
    TaskId,
    TaskRestore,
    Tell,
)


def first_splits(job: JobRun, restores: Mapping[TaskId, TaskRestore]) -> dict[TaskId, AssignSplits]:
    """Take the splits with which the source tasks of ``job`` begin, those that go on from ``restores`` included."""
    first = {}
    for vertex_id, splits in job.request.splits.items():
        vertex = job.topology.vertices[vertex_id]
        opened = opened_splits(job.cuts.base, vertex) if job.cuts.base is not None else [()] * vertex.parallelism
        read = frozenset(job.finished_before.get(vertex_id, ())).union(split.id for own in opened for split in own)
        queue = SplitQueue((split for split in splits if split.id not in read), vertex.parallelism)
        job.queues[vertex_id] = queue
        tasks = [TaskId(job.id, vertex_id, index) for index in range(vertex.parallelism)]
        ended = {task for task, restore in restores.items() if restore.ended}
        dealt = _deal(queue, vertex, dict(zip(tasks, opened, strict=True)), ended)
        for task, of_task in dealt.items():
            job.tasks[task].assigned.extend(split.id for split in of_task)
            first[task] = AssignSplits(job.tasks[task].attempt, of_task, queue.left())
    return first


def _deal(
    queue: SplitQueue, vertex: JobVertex, opened: Mapping[TaskId, tuple[Split, ...]], ended: Collection[TaskId]
) -> dict[TaskId, tuple[Split, ...]]:
    """The first splits of each task: those that it goes on with, and new ones for a task that would have none."""
    dealt = dict(opened)
    receiving = [task for task, own in opened.items() if task not in ended and (vertex.dealt or not own)]
    for task, splits in zip(receiving, queue.deal(len(receiving), whole=vertex.dealt), strict=True):
        dealt[task] += splits
    return dealt


def hand_out(job: JobRun, wanted: SplitWanted) -> Iterable[Instruction]:
    """Hand splits to the task that asks; a run that is ending hands out none."""
    if not job.goes_on:
        return
    vertex = wanted.attempt.task.vertex
    queue = job.queues[vertex]
    before = queue.left()
    splits = queue.take(wanted.nbytes)
    left = queue.left()
    job.tasks[wanted.attempt.task].assigned.extend(split.id for split in splits)
    yield Tell(wanted.agent, AssignSplits(wanted.attempt, splits, left))
    if left.bound > before.bound and job.topology.vertices[vertex].timed:
        yield from tell_running(job, RaiseBound(job.id, job.epoch, vertex, left))
