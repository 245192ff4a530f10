"""Takes checkpoints: begins cuts, collects their acknowledgements, and has complete cuts stored.

Theory of operation
-------------------
A cut passes through a run once. The machine begins it, and knows nothing of its way through the tasks::

    begin --TakeCut--> every agent of the run
             <--CutAcked-- each task, with its snapshot       (a task that is FINISHED without one has ended before it)
    none is missing: --Store--> job store
             <--Stored--  it is the last cut of the run; --CutStored--> every agent; its output is committed

**One at a time.** The next cut begins when the previous one is stored or abandoned. The timer (``CutDue``) is set only
while there is none, for ``interval`` after the start of the last one, or ``pause`` after its end if that is later.

**Ended tasks.** An agent reports the acknowledgement of a task before its end. A task that ends while it is missing has
therefore not passed the cut: all of its rows are before it for the tasks behind it, its committables join the cut, and
all splits that it was assigned are finished. Those of a task that ends after it has passed the cut belong to the next.

**Abandoned cuts.** ``CutFailed``, the timeout, and everything that ends or restarts the run abandon a cut. Tasks are
not told: they may still pass it, and their acknowledgements are refused. They repeat its committables with the next
cut, as they were not told that it is stored. A cut that is being stored is never abandoned: its row may be there
already, and a run that went on from an older cut could not tell. So the end and the restart of the run wait for the
answer of the store (see ``termination``).

**Savepoints** are cuts that a client asked for; those that are asked for during a cut begin after it. At the one with
which a run is stopped, its sources hold. If it fails, they go on; when it is stored, the run is COMMITTING: its tasks
are canceled, and it ends when its output up to there is committed. What its tasks emit after the savepoint, such as
the results of inputs that had ended, is dropped: the run that goes on from the savepoint emits it.

**Output.** ``JobRun.committables`` are the output of stored cuts that is not known to be committed. A cut is stored
with them and with what is new in it. An endless run commits the new output of each cut, in the order of cuts; a bounded
run commits all of it at its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sabotnb.execution import replies
from sabotnb.execution.cluster_state import tell_running
from sabotnb.execution.committables import merged, without
from sabotnb.execution.job_run import JobRun, TaskVertex
from sabotnb.execution.run_counts import counts_at_cut
from sabotnb.execution.run_cuts import PendingCut, SavepointRequest
from sabotnb.execution.status.cut_status import checkpoint_status
from sabotnb.metrics import Report
from sabotnb.protocol import (
    CheckpointPolicy,
    Committable,
    Cut,
    CutDue,
    CutKind,
    CutOverdue,
    CutStored,
    Failure,
    Instruction,
    JobChanged,
    JobState,
    Reply,
    ResumeSources,
    SetTimer,
    SourceState,
    Store,
    StoredCut,
    TakeCut,
    TaskId,
    TaskSnapshot,
    TaskState,
)


def next_cut(now: float, job: JobRun) -> Iterable[Instruction]:
    """Begin the next savepoint that is wanted, or set the timer for the next checkpoint, if the run takes any."""
    policy, cuts = job.request.checkpoint, job.cuts
    if policy is None or not may_begin(job):
        return
    if cuts.wanted:
        yield from begin(now, job, policy, cuts.wanted.popleft())
    else:
        began = max(cuts.began, job.changed)  # the first one is due an interval after the run was RUNNING
        at = max(now, began + policy.interval, cuts.ended + policy.pause)
        yield SetTimer(CutDue(job.id, job.epoch), at)


def may_begin(job: JobRun) -> bool:
    """True if a cut may begin: the run is RUNNING and goes on, and no cut is in progress."""
    return job.state is JobState.RUNNING and job.goes_on and job.cuts.pending is None


def begin(
    now: float, job: JobRun, policy: CheckpointPolicy, savepoint: SavepointRequest | None = None
) -> Iterable[Instruction]:
    """Begin a checkpoint of ``job``, which may begin a cut, or the ``savepoint``."""
    cuts = job.cuts
    cuts.number += 1
    cuts.began = now
    cut = Cut(cuts.number, CutKind.SAVEPOINT if savepoint else CutKind.CHECKPOINT, job.epoch)
    missing = {task for task, vertex in job.tasks.items() if vertex.state is not TaskState.FINISHED}
    cuts.pending = PendingCut(cut, now, missing, savepoint)
    job.version += 1
    yield SetTimer(CutOverdue(job.id, job.epoch, cut.id), now + policy.timeout)
    yield from tell_running(job, TakeCut(job.id, job.epoch, cut, hold=savepoint is not None and savepoint.stop))


def acknowledge(
    now: float, job: JobRun, task: TaskId, snapshot: TaskSnapshot, counted: Report
) -> Iterable[Instruction]:
    """``task``, which was missing, has passed the cut in progress, and has ``counted`` so much in this epoch."""
    pending = job.cuts.pending
    if pending is not None:
        counts = counts_at_cut(counted.plus(job.tasks[task].before), job.topology, ended=False)
        pending.snapshots[task] = replace(snapshot, counts=counts)
        yield from task_ended(now, job, task)


def task_ended(now: float, job: JobRun, task: TaskId) -> Iterable[Instruction]:
    """The cut in progress does not wait for ``task`` any more. A cut that waits for none is complete."""
    pending = job.cuts.pending
    if pending is None or task not in pending.missing:
        return
    pending.missing.discard(task)
    if not pending.missing and not job.over():  # a run that is over commits its output instead
        pending.storing = _stored_cut(now, job, pending)
        yield Store(pending.storing)


def stored(now: float, job: JobRun, pending: PendingCut) -> Iterable[Instruction]:
    """The job store has the cut: it is the last one of the run, and its output may be committed."""
    cuts, cut = job.cuts, pending.storing
    assert cut is not None
    _end(now, job)
    cuts.failures, cuts.last_failure = 0, None
    cuts.keep(cut)
    cuts.shown.append(checkpoint_status(cut, pending.began))
    job.committables = merged(job.committables, _new_committables(job, pending))
    for task in job.tasks.values():
        task.committables = tuple(without(task.committables, cut.committables))
    if job.commits_cuts and cut.committables:
        cuts.commits.append(cut)
    yield from tell_running(job, CutStored(job.id, job.epoch, cut.cut))
    yield JobChanged(job.name, job.state)
    if pending.savepoint is not None:
        yield Reply(pending.savepoint.command, cut)


def fail(now: float, job: JobRun, pending: PendingCut, failure: Failure) -> Iterable[Instruction]:
    """Abandon the cut in progress, which failed. The run goes on."""
    job.cuts.failures += 1
    job.cuts.last_failure = failure
    held = job.cuts.holds_sources
    yield from _abandon(now, job, pending, failure)
    if held and not job.paused:
        yield from tell_running(job, ResumeSources(job.id, job.epoch))
    yield from next_cut(now, job)


def abandon(now: float, job: JobRun) -> Iterable[Instruction]:
    """Abandon the cut in progress, unless it is being stored, and the savepoints that are wanted: the run ends."""
    pending = job.cuts.pending
    if pending is not None and pending.storing is None:
        yield from _abandon(now, job, pending, replies.no_savepoint(job))
    yield from refuse_savepoints(job)


def drop(now: float, job: JobRun, failure: Failure) -> Iterable[Instruction]:
    """Abandon the cut in progress, also one that is being stored: the run, which ends by ``failure``, is another's."""
    pending = job.cuts.pending
    if pending is not None:
        yield from _abandon(now, job, pending, failure)


def refuse_savepoints(job: JobRun) -> Iterable[Instruction]:
    """Tell the clients that still wait for savepoints of a run that ends or starts again that there are none."""
    while job.cuts.wanted:
        yield Reply(job.cuts.wanted.popleft().command, failure=replies.no_savepoint(job))


def _abandon(now: float, job: JobRun, pending: PendingCut, failure: Failure) -> Iterable[Instruction]:
    _end(now, job)
    if pending.savepoint is not None:
        yield Reply(pending.savepoint.command, failure=failure)


def _end(now: float, job: JobRun) -> None:
    job.cuts.pending = None
    job.cuts.ended = now
    job.version += 1


def _stored_cut(now: float, job: JobRun, pending: PendingCut) -> StoredCut:
    vertices = job.topology.vertices.values()
    return StoredCut(
        run=job.id,
        epoch=job.epoch,
        cut=pending.cut.id,
        kind=pending.cut.kind,
        groups=max(map(len, job.topology.tables.values()), default=0),
        parallelism={vertex.id: vertex.parallelism for vertex in vertices},
        operators={vertex.id: vertex.operator_ids for vertex in vertices},
        tasks={id_: pending.snapshots.get(id_) or _ended(job, task) for id_, task in job.tasks.items()},
        finished={vertex.id: _finished_splits(job, pending, vertex.id) for vertex in job.topology.sources},
        committables=tuple(merged(job.committables, _new_committables(job, pending))),
        lineage=job.lineage,
        name=pending.savepoint.name if pending.savepoint is not None else "",
        seconds=now - pending.began,
        meanings=job.request.meanings,
    )


def _ended(job: JobRun, task: TaskVertex) -> TaskSnapshot:
    counted = Report(0.0, task.counters, task.sent)
    return TaskSnapshot(ended=True, counts=counts_at_cut(counted, job.topology, ended=True))


def _new_committables(job: JobRun, pending: PendingCut) -> list[Committable]:
    """The output up to the cut that no stored cut has."""
    acknowledged = (snapshot.committables for snapshot in pending.snapshots.values())
    ended = (task.committables for id_, task in job.tasks.items() if id_ not in pending.snapshots)
    return merged(*acknowledged, *ended)


def _finished_splits(job: JobRun, pending: PendingCut, vertex: str) -> tuple[str, ...]:
    """The splits of a source that were read completely since the run began."""
    finished = dict.fromkeys(job.finished_before.get(vertex, ()))
    for id_, task in job.tasks.items():
        if id_.vertex == vertex:
            snapshot = pending.snapshots.get(id_)
            read = task.assigned if snapshot is None else (snapshot.source or SourceState()).finished
            finished.update(dict.fromkeys(read))
    return tuple(finished)
