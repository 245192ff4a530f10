"""Builds what the status of a run says about its checkpoints, and about the one that it goes on from."""

from __future__ import annotations

from dataclasses import replace

from sabotnb.execution.job_run import JobRun
from sabotnb.execution.kept_cuts import is_dropped_later
from sabotnb.metrics import checkpoints_failed, going_on
from sabotnb.protocol import CheckpointingStatus, CheckpointStatus, JobState, StoredCut


def checkpoint_status(cut: StoredCut, began: float) -> CheckpointStatus:
    """A stored cut, which ``began`` at that time of the machine's clock, as a row in the list of checkpoints."""
    return CheckpointStatus(
        cut=cut.cut,
        kind=cut.kind,
        name=cut.name,
        epoch=cut.epoch,
        began=began,
        seconds=cut.seconds,
        nbytes={str(task): snapshot.file.nbytes for task, snapshot in cut.tasks.items() if snapshot.file is not None},
        rows=sum(snapshot.counts.rows_in for task, snapshot in cut.tasks.items() if task.vertex in cut.finished),
    )


def shown_checkpoints(job: JobRun) -> tuple[CheckpointStatus, ...]:
    """The last stored cuts, each with whether it is still of use."""
    kept = {cut.cut for cut in job.cuts.kept}
    return tuple(replace(shown, kept=shown.cut in kept or _is_old_savepoint(job, shown)) for shown in job.cuts.shown)


def _is_old_savepoint(job: JobRun, shown: CheckpointStatus) -> bool:
    return not is_dropped_later(shown.kind) and not job.cuts.left(shown.epoch, shown.cut)


def checkpointing_status(job: JobRun) -> CheckpointingStatus:
    """What the run does about checkpoints now."""
    cuts, pending, policy = job.cuts, job.cuts.pending, job.request.checkpoint
    seconds, rows = _replayed(job)
    return CheckpointingStatus(
        storage=policy.storage if policy is not None else "",
        since=pending.began if pending is not None else None,
        missing=len(pending.missing) if pending is not None else 0,
        failures=cuts.failures,
        last_failure=cuts.last_failure.message if cuts.last_failure is not None else "",
        restored=restored(job),
        replayed=seconds,
        replayed_rows=rows,
    )


def checkpointed(job: JobRun) -> float | None:
    """When the last stored cut began, by the machine's clock; None if none is stored."""
    return job.cuts.shown[-1].began if job.cuts.shown else None


def checkpoint_failure(job: JobRun) -> str:
    """A sentence about the cuts that failed since the last stored one; empty if none did, or the run is over."""
    failure = job.cuts.last_failure
    return "" if failure is None or job.state.terminal else checkpoints_failed(job.cuts.failures, failure.message)


def restored(job: JobRun) -> str:
    """Name the cut that the run goes on from, or is about to; empty for one that began, or begins, at the beginning."""
    cut = _origin(job)
    if cut is None:
        return ""
    of_run = "" if cut.run == job.id else " of an earlier run" if cut.run.job == job.name else f" of {cut.run.job!r}"
    return f"{cut.title}{of_run}"


def goes_on_from(job: JobRun) -> str:
    """Name the cut that the run goes on from, with how much is read again; empty as for ``restored``."""
    return going_on(restored(job), *_replayed(job))


def _origin(job: JobRun) -> StoredCut | None:
    """The cut that this epoch was restored from, or the next one will be."""
    return job.next_base if job.state in (JobState.PENDING, JobState.RESTARTING) else job.cuts.base


def _replayed(job: JobRun) -> tuple[float | None, int | None]:
    """How long before the last loss the cut began, and how many rows the sources had read since; None if unknown."""
    status, losses = job.cuts.status_of(_origin(job)), job.survived_losses
    if status is None or not losses:
        return None, None
    # the last loss may have come before the run had caught up with what it had read before another one
    read = max(loss.rows for loss in losses if loss.at >= min(status.began, losses[-1].at))
    return losses[-1].at - status.began, max(0, read - status.rows)
