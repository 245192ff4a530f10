"""Decides which runs start again after they lost a worker, how often, and when.

Theory of operation
-------------------
The output of a run becomes visible when all of it is complete (see ``termination``). A run that only writes files can
therefore begin again without a doubled or missing row. It keeps its id. Its *epoch* grows by one, so that
whatever the lost worker still does belongs to an epoch that is over::

    DEPLOYING, RUNNING --worker lost--> RESTARTING: the remaining tasks are canceled
                                            |  none is left, and the pause is over (RestartDue)
                                            v
                                        RESTARTING: waits for slots --> DEPLOYING in the next epoch
                                            |  none in time (RestartOverdue)
                                            +--> FAILING

**Which runs.** Rows that a client has taken cannot be taken back, so only runs whose sinks all write files start again.
A run that is being stopped does not: it would stop at other rows than before.

**Which failures.** Lost workers and lost connections. A function that raises would raise again.

**How often.** At most ``MOST_LOSSES`` in ``WINDOW_SECONDS``, after pauses that grow: workers that are lost together
cost one restart. When a second worker is lost while it runs a function of the user that the first one ran too, the
function has probably ended both processes, and the run fails.
"""

from __future__ import annotations

from sabotnb.errors import AgentLost
from sabotnb.execution import refusals
from sabotnb.execution.job_run import JobRun, Loss
from sabotnb.protocol import Failure, JobState

WINDOW_SECONDS = 600.0
MOST_LOSSES = 10
PAUSES = (0.2, 1.0, 2.0, 4.0)
"""Seconds from a loss to the restart, by the number of recent losses before it; the last one for all further ones."""


def recorded_loss(now: float, job: JobRun, failure: Failure, suspects: frozenset[str]) -> Failure | None:
    """Record that ``job`` lost tasks by ``failure``; returns None if it starts again, else the failure that ends it.

    ``suspects`` are the operators with functions of the user that a lost worker ran. A worker may be found to be lost
    after its peers have reported a broken connection: both are one loss, and the later failure says more about it.
    """
    again = job.state is JobState.RESTARTING
    if failure.error != AgentLost.__name__:
        return None if again else failure  # what raised in a task that is being canceled will raise again
    if not job.request.restarts or job.stopping:
        return failure
    if again:
        job.losses[-1] = Loss(job.losses[-1].at, failure, job.losses[-1].suspects | suspects)
    else:
        job.losses.append(Loss(now, failure, suspects))
    *earlier, last = recent_losses(now, job)
    if len(earlier) >= MOST_LOSSES:
        return refusals.too_many_losses(failure, len(earlier) + 1, WINDOW_SECONDS)
    repeated = last.suspects & frozenset().union(*(loss.suspects for loss in earlier))
    return refusals.crashing_function(failure, min(repeated)) if repeated else None


def restart_time(now: float, job: JobRun) -> float:
    """The time of the restart after the last loss of ``job``."""
    losses = recent_losses(now, job)
    return losses[-1].at + PAUSES[min(len(losses), len(PAUSES)) - 1]


def recent_losses(now: float, job: JobRun) -> list[Loss]:
    """The losses that count, the last one included."""
    return [loss for loss in job.losses if now - loss.at < WINDOW_SECONDS or loss is job.losses[-1]]
