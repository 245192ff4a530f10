"""The states of jobs and of their tasks."""

from __future__ import annotations

from enum import Enum


class TaskState(str, Enum):
    """States of one task attempt; the table of legal moves is ``execution.transitions``."""

    CREATED = "CREATED"
    SCHEDULED = "SCHEDULED"
    DEPLOYING = "DEPLOYING"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    CANCELING = "CANCELING"
    CANCELED = "CANCELED"
    FAILED = "FAILED"


class JobState(str, Enum):
    """States of a job."""

    PENDING = "PENDING"  # waits for slots
    DEPLOYING = "DEPLOYING"
    RUNNING = "RUNNING"
    RESTARTING = "RESTARTING"  # a worker was lost, and the run begins again
    COMMITTING = "COMMITTING"  # all rows are written, output is being committed
    FINISHED = "FINISHED"
    CANCELING = "CANCELING"
    CANCELED = "CANCELED"
    FAILING = "FAILING"  # a task failed, the others are being canceled
    FAILED = "FAILED"

    @property
    def terminal(self) -> bool:
        """True if the job has ended: no transition follows."""
        return self in (JobState.FINISHED, JobState.CANCELED, JobState.FAILED)
