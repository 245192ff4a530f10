"""The sentence that answers a client's command: what happens now, or why there is nothing to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sabotnb.errors import JobReplaced
from sabotnb.execution.job_run import JobRun
from sabotnb.protocol import Cancel, DropResults, Fail, JobState, Pause, Resume, RunCommand, Stop

ENDED = {
    JobState.FINISHED: "has already FINISHED",
    JobState.FAILED: "has already FAILED",
    JobState.CANCELED: "was already CANCELED",
}
ENDING = (JobState.COMMITTING, JobState.CANCELING, JobState.FAILING)


def sentence_of(command: RunCommand, name: str, job: JobRun | None) -> str:
    """Return the answer to ``command``.

    ``job`` is the run that the command means, in its state before the command; None if it was dropped long ago.
    """
    verb = type(command).__name__.lower()
    if isinstance(command, DropResults):
        return f"the results of {name} are dropped"
    if job is None or is_replaced(job):
        return f"{name} was replaced by a newer run: sb.attach({name!r})"
    if job.state in ENDED:
        return f"{name} {ENDED[job.state]}: nothing to {verb}"
    if job.state is JobState.COMMITTING and isinstance(command, Cancel | Stop):
        return _commits(job, verb)
    if job.state in ENDING:
        return f"{name} is {job.state.value}: nothing to {verb}"
    return SENTENCES[type(command)](job)


def is_replaced(job: JobRun) -> bool:
    """True for a run that was ended because a newer run has its name."""
    return job.failure is not None and job.failure.error == JobReplaced.__name__


def _commits(job: JobRun, verb: str) -> str:
    waits = f"{job.committer} commits its output" if job.committer else "it waits for an agent to commit its output"
    return f"{job.name} is COMMITTING, too late to {verb}: all rows are written, and {waits}"


def _cancel(job: JobRun) -> str:
    return f"{job.name} is being canceled" + ("; what it wrote is removed" if job.request.commits else "")


def _stop(job: JobRun) -> str:
    if job.state is JobState.PENDING:
        return f"{job.name} had not started and is canceled"
    if job.state is JobState.RESTARTING:
        return f"{job.name} was about to start again from the beginning and is canceled"
    if job.stopping:
        return f"{job.name} is already stopping"
    then = ", then committed" if job.request.commits else ""
    return f"{job.name} is stopping: rows already read are processed{then}"


def _pause(job: JobRun) -> str:
    if job.stopping:
        return f"{job.name} is stopping: nothing to pause"
    if job.paused:
        return f"{job.name} is already paused"
    begun = job.state is JobState.RUNNING
    return f"{job.name} is paused" + ("" if begun else ": it will not read when it starts")


def _resume(job: JobRun) -> str:
    return f"{job.name} resumed" if job.paused else f"{job.name} is not paused: nothing to resume"


def _fail(job: JobRun) -> str:
    return f"{job.name} is failing"


SENTENCES: Mapping[type[RunCommand], Callable[[JobRun], str]] = {
    Cancel: _cancel,
    Stop: _stop,
    Pause: _pause,
    Resume: _resume,
    Fail: _fail,
}
