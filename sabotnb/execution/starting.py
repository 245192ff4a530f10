"""Starts the sources of a run when all of its tasks are open and the output that it goes on from is committed."""

from __future__ import annotations

from collections.abc import Iterable

from sabotnb.execution import checkpoint_coordinator as coordinator
from sabotnb.execution import replies
from sabotnb.execution.cluster_state import tell_running
from sabotnb.execution.job_run import JobRun
from sabotnb.protocol import Instruction, JobChanged, JobState, PauseSources, StartSources, StopSources, TaskState


def is_open(job: JobRun) -> bool:
    """True if every task of a run that is DEPLOYING is open."""
    return job.state is JobState.DEPLOYING and job.all_in(TaskState.RUNNING, TaskState.FINISHED)


def start(now: float, job: JobRun) -> Iterable[Instruction]:
    """Start the sources of a run that is open, unless output has to be committed first."""
    if not is_open(job) or job.cuts.commits:
        return
    job.move(JobState.RUNNING, now)
    yield JobChanged(job.name, job.state)
    if job.paused:  # paused before it began; told first, so that not a single row is read
        yield from tell_running(job, PauseSources(job.id, job.epoch))
    if job.stopping and job.losses and job.cuts.base is not None:  # earlier epochs were told, not this one
        job.note = replies.stopped_at(job.cuts.base)
        yield from tell_running(job, StopSources(job.id, job.epoch))
    yield from tell_running(job, StartSources(job.id, job.epoch))
    yield from coordinator.next_cut(now, job)
