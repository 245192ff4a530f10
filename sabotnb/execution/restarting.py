"""Decides which runs start again after they lost a worker, how often, and when.

Theory of operation
-------------------
The output of a run becomes visible when all of it is complete, or up to a stored cut (see ``termination``). A run that
goes on from its last stored cut, or that only writes files and begins again, therefore doubles and loses no row. It
keeps its id. Its *epoch* grows by one, so that whatever the lost worker still does belongs to an epoch that is over::

    DEPLOYING, RUNNING --worker lost--> RESTARTING: the remaining tasks are canceled, the next epoch is asked for
                                            |  none is left, the pause is over (RestartDue), EpochGranted
                                            v
                                        RESTARTING: waits for slots --> DEPLOYING in the next epoch
                                            |  too few in time (RestartOverdue)
                                            +--> its tasks share slots --> DEPLOYING
                                            |  no agent in time (RestartOverdue)
                                            +--> FAILING

**Which epoch.** A scheduler that was stopped, and whose job another one has resumed meanwhile, must not begin the epoch
that the other one has begun: both would write files of one name. So an epoch begins after the job store has recorded it
under the token of the owner (``GrantEpoch``). It is asked for when the run loses its tasks, and the answer is there
before the pause is over. A run waits for a store that does not answer, and says so.

**Too few slots.** A worker that was killed is usually back after ``restart_wait_seconds``. If not, tasks of a vertex
share slots, also those of other jobs: the run is slower, but it goes on (``SlotPool.request_shared``). It keeps its
parallelism, so the checkpoints still fit, and has its own slots again after the next restart that finds enough of them.

**From where.** The last stored cut, or the beginning if there is none (``JobRun.create_tasks``). If its files cannot be
read, the run goes on from the next older one that the machine still keeps, and says so. Output that was committed
after that one is replaced by the next commit, because its rows are written again (``Commit.lineage``). That holds for
files that are damaged. If the storage cannot be read now, the run tries the same cut again, after ``READ_PAUSES``; then
it fails, and the cut stays.

**Which runs.** ``may_restart``: rows that a client has taken for good (``JobRequest.passed_on``) cannot be taken back,
so such a run does not start again. With checkpoints, live rows and callbacks are told what is taken back, so their runs
start again. A run that is being stopped starts again only from a stored cut, and stops there, without the rows that it
had read after it. Without a cut it would stop at its beginning, and lose all rows.

**Which failures.** Lost workers and lost connections. A function that raises would raise again if the run began again
from its beginning, so it fails at once. A run with a stored cut loses little by another try, since the reason may be in
the world around the function: it has ``MOST_FAILURES`` within ``WINDOW_SECONDS``.

**How often.** At most ``MOST_LOSSES`` in ``WINDOW_SECONDS``, after pauses that grow: workers that are lost together
cost one restart. When a second worker is lost while it runs a function of the user that the first one ran too, the
function has probably ended both processes, and the run fails. Workers that were taken away on purpose do not count.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile

from sabotnb.errors import AgentLost, CheckpointError, StorageUnreachable
from sabotnb.execution import loss_messages, replies
from sabotnb.execution.job_run import JobRun, Loss
from sabotnb.protocol import Failure, JobState

WINDOW_SECONDS = 600.0
MOST_LOSSES = 10
MOST_FAILURES = 3
PAUSES = (0.2, 1.0, 2.0, 4.0)
"""Seconds from a loss to the restart, by the number of recent losses before it; the last one for all further ones."""


READ_PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds until a run tries again to read a cut whose storage could not be read, by the number of attempts before."""


def recorded_loss(now: float, job: JobRun, failure: Failure, suspects: frozenset[str] | None) -> Failure | None:
    """Record that ``job`` lost tasks by ``failure``; returns None if it starts again, else the failure that ends it.

    ``suspects`` are the operators with functions of the user that a lost worker ran; None if a connection was lost. A
    worker may be found to be lost after its peers have reported a broken connection, or before: both are one loss, and
    that of the worker says more about it.
    """
    again = job.state is JobState.RESTARTING
    if failure.error != AgentLost.__name__:
        return None if again else _task_failed(now, job, failure)  # a task that is being canceled may raise
    if again:
        job.losses[-1] = _one_loss(job.losses[-1], failure, suspects)
    else:
        job.losses.append(Loss(now, failure, suspects, job.rows_read))
    return _end(now, job)


def may_restart(job: JobRun) -> bool:
    """True if a run may begin again: no client has taken rows of it, which it could not take back."""
    return not job.request.passed_on and (job.request.restarts or job.cuts.last is not None)


def _task_failed(now: float, job: JobRun, failure: Failure) -> Failure | None:
    """The failure of a task ends ``job``, unless it goes on from a stored cut, which this returns None for."""
    if failure.error == StorageUnreachable.__name__ and job.state is JobState.DEPLOYING:
        return _unread(now, job, failure)
    if not may_restart(job) or job.cuts.last is None:
        return failure
    unreadable = failure.error == CheckpointError.__name__ and job.state is JobState.DEPLOYING
    if unreadable:
        cut, older = job.cuts.last.cut, job.cuts.go_back()
        if older is None and (job.commits_cuts or job.stopping):  # it would write committed rows again, or no rows
            return failure
        job.note = replies.went_back(failure, cut, older)
    elif job.stopping or sum(loss.raised and now - loss.at < WINDOW_SECONDS for loss in job.losses) >= MOST_FAILURES:
        return failure
    job.losses.append(Loss(now, failure, rows=job.rows_read, raised=not unreadable, infrastructure=False))
    return None


def _unread(now: float, job: JobRun, failure: Failure) -> Failure | None:
    """The storage of the cut from which ``job`` begins could not be read: the failure if that was the last attempt."""
    attempts = _attempts_to_read(job) + 1
    if attempts > len(READ_PAUSES):
        return replies.storage_unreachable(job, failure, attempts)
    job.losses.append(Loss(now, failure, rows=job.rows_read, infrastructure=False, unread=True))
    return None


def _attempts_to_read(job: JobRun) -> int:
    """How often in a row the run has failed to read the cut from which it begins."""
    return len(list(takewhile(lambda loss: loss.unread, reversed(job.losses))))


def explained_end(now: float, job: JobRun, failure: Failure, suspects: frozenset[str]) -> Failure | None:
    """The failure of a ``job`` that ends, now that a worker is known to be lost.

    None if that does not explain the failure: something else than a lost connection ended the job.
    """
    by_loss = job.failure is not None and job.failure.error == AgentLost.__name__ and job.losses
    if not by_loss or job.losses[-1].suspects is not None:
        return None
    job.losses[-1] = _one_loss(job.losses[-1], failure, suspects)
    return _end(now, job)


def _one_loss(loss: Loss, failure: Failure, suspects: frozenset[str] | None) -> Loss:
    if suspects is None:
        return replace(loss, infrastructure=True)
    return replace(loss, failure=failure, suspects=suspects | (loss.suspects or frozenset()), infrastructure=True)


def _end(now: float, job: JobRun) -> Failure | None:
    """The failure by which the last loss of ``job`` ends it; None if it starts again."""
    failure, request = job.losses[-1].failure, job.request
    if request.commits and request.passed_on:
        return loss_messages.rows_passed_on(failure, request.passed_on)
    if not may_restart(job) or (job.stopping and job.next_base is None):
        return failure
    *earlier, last = [loss for loss in recent_losses(now, job) if loss.infrastructure]
    if len(earlier) >= MOST_LOSSES:
        return loss_messages.too_many_losses(failure, len(earlier) + 1, WINDOW_SECONDS)
    repeated = (last.suspects or frozenset()) & frozenset().union(*(loss.suspects or () for loss in earlier))
    return loss_messages.crashing_function(failure, min(repeated)) if repeated else None


def restart_time(now: float, job: JobRun) -> float:
    """The time of the restart after the last loss of ``job``."""
    losses = recent_losses(now, job)
    unread = _attempts_to_read(job)
    pause = READ_PAUSES[unread - 1] if unread else PAUSES[min(len(losses), len(PAUSES)) - 1]
    return losses[-1].at + pause


def recent_losses(now: float, job: JobRun) -> list[Loss]:
    """The losses that count, of workers and by functions that raised, the last one included."""
    return [loss for loss in job.losses if now - loss.at < WINDOW_SECONDS or loss is job.losses[-1]]
