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

from collections.abc import Iterable

from sabotnb.execution.cluster_state import tell_running
from sabotnb.execution.job_run import JobRun
from sabotnb.plan import SplitQueue
from sabotnb.protocol import AssignSplits, Instruction, RaiseBound, SplitWanted, TaskId, Tell


def first_splits(job: JobRun) -> dict[TaskId, AssignSplits]:
    """Take the splits with which the source tasks of ``job`` begin."""
    first = {}
    for vertex, splits in job.request.splits.items():
        described = job.topology.vertices[vertex]
        queue = job.queues[vertex] = SplitQueue(splits, described.parallelism)
        dealt = queue.deal(whole=described.dealt)
        for index, of_task in enumerate(dealt):
            task = TaskId(job.id, vertex, index)
            first[task] = AssignSplits(job.tasks[task].attempt, of_task, queue.left())
    return first


def hand_out(job: JobRun, wanted: SplitWanted) -> Iterable[Instruction]:
    """Hand splits to the task that asks; a run that is ending hands out none."""
    if not job.goes_on:
        return
    vertex = wanted.attempt.task.vertex
    queue = job.queues[vertex]
    before = queue.left()
    splits = queue.take(wanted.nbytes)
    left = queue.left()
    yield Tell(wanted.agent, AssignSplits(wanted.attempt, splits, left))
    if left.bound > before.bound and job.topology.vertices[vertex].timed:
        yield from tell_running(job, RaiseBound(job.id, job.epoch, vertex, left))
