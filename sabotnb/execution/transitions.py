"""Tables of the legal state transitions of tasks and jobs; an illegal transition raises.

    CREATED -> SCHEDULED -> DEPLOYING -> RUNNING -> FINISHED
                   |            |           |
                   +------------+-----------+-> CANCELING -> CANCELED
                   +------------+-----------+-> FAILED

A CANCELING task may still end FINISHED or FAILED: its report was under way when it was told to cancel. A RESTARTING run
is FINISHED if the savepoint with which it was stopped was being stored when it lost tasks.
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
    J.RUNNING: frozenset({J.COMMITTING, J.FINISHED, J.RESTARTING, J.CANCELING, J.FAILING}),
    J.RESTARTING: frozenset({J.DEPLOYING, J.COMMITTING, J.FINISHED, J.CANCELING, J.FAILING}),
    J.COMMITTING: frozenset({J.FINISHED, J.FAILING, J.FAILED}),
    J.CANCELING: frozenset({J.CANCELED}),
    J.FAILING: frozenset({J.FAILED}),
    J.FINISHED: frozenset(),
    J.CANCELED: frozenset(),
    J.FAILED: frozenset(),
}

TERMINAL_TASK = frozenset(state for state, moves in TASK_MOVES.items() if not moves)


def check_task_move(task: object, old: TaskState, new: TaskState) -> None:
    """Raise IllegalTransition unless a task may go from ``old`` to ``new``."""
    if new not in TASK_MOVES[old]:
        raise IllegalTransition(f"task {task} cannot go from {old.value} to {new.value}")


def check_job_move(job: str, old: JobState, new: JobState) -> None:
    """Raise IllegalTransition unless a job may go from ``old`` to ``new``."""
    if new not in JOB_MOVES[old]:
        raise IllegalTransition(f"job {job!r} cannot go from {old.value} to {new.value}")
