"""Tables of the legal state transitions of tasks and jobs; an illegal transition raises.

    CREATED -> SCHEDULED -> DEPLOYING -> RUNNING -> FINISHED
                   |            |           |
                   +------------+-----------+-> CANCELING -> CANCELED
                   +------------+-----------+-> FAILED

A CANCELING task may still end FINISHED or FAILED: its report was under way when it was told to cancel. A run that is
stopped with a savepoint is COMMITTING as soon as that is stored, while its tasks are being canceled; it may have lost
some meanwhile, and be RESTARTING.

A run that has not ended is in one of ``BEGUN``, of which those in ``DEPLOYED`` have tasks, or in one of ``ENDING``.
"""

from __future__ import annotations

from sabotnb.errors import IllegalTransition
from sabotnb.protocol import JobState, TaskState

T, J = TaskState, JobState

TASK_MOVES: dict[TaskState, frozenset[TaskState]] = {
    T.CREATED: frozenset({T.SCHEDULED, T.CANCELED}),
    T.SCHEDULED: frozenset({T.DEPLOYING, T.CANCELED, T.FAILED}),
    T.DEPLOYING: frozenset({T.RUNNING, T.CANCELING, T.CANCELED, T.FAILED}),
    T.RUNNING: frozenset({T.FINISHED, T.CANCELING, T.CANCELED, T.FAILED}),
    T.CANCELING: frozenset({T.CANCELED, T.FINISHED, T.FAILED}),
    T.FINISHED: frozenset(),
    T.CANCELED: frozenset(),
    T.FAILED: frozenset(),
}

JOB_MOVES: dict[JobState, frozenset[JobState]] = {
    J.PENDING: frozenset({J.DEPLOYING, J.CANCELED}),
    J.DEPLOYING: frozenset({J.RUNNING, J.RESTARTING, J.CANCELING, J.FAILING}),
    J.RUNNING: frozenset({J.COMMITTING, J.RESTARTING, J.CANCELING, J.FAILING}),
    J.RESTARTING: frozenset({J.DEPLOYING, J.COMMITTING, J.CANCELING, J.FAILING}),
    J.COMMITTING: frozenset({J.FINISHED, J.FAILING}),
    J.CANCELING: frozenset({J.CANCELED}),
    J.FAILING: frozenset({J.FAILED}),
    J.FINISHED: frozenset(),
    J.CANCELED: frozenset(),
    J.FAILED: frozenset(),
}

DEPLOYED = frozenset({J.DEPLOYING, J.RUNNING, J.RESTARTING})
"""The states of a run whose tasks were deployed, and which is not ending."""

BEGUN = DEPLOYED | {J.PENDING}
"""The states of a run that is neither ending nor has ended."""

ENDING: dict[JobState, JobState] = {
    J.COMMITTING: J.FINISHED,
    J.CANCELING: J.CANCELED,
    J.FAILING: J.FAILED,
}
"""The states of a run that only ends its tasks and its output, each with the state in which it ends."""

TERMINAL_TASK = frozenset(state for state, moves in TASK_MOVES.items() if not moves)


def check_task_move(task: object, old: TaskState, new: TaskState) -> None:
    """Raise IllegalTransition unless a task may go from ``old`` to ``new``."""
    if new not in TASK_MOVES[old]:
        raise IllegalTransition(f"task {task} cannot go from {old.value} to {new.value}")


def check_job_move(job: str, old: JobState, new: JobState) -> None:
    """Raise IllegalTransition unless a job may go from ``old`` to ``new``."""
    if new not in JOB_MOVES[old]:
        raise IllegalTransition(f"job {job!r} cannot go from {old.value} to {new.value}")
