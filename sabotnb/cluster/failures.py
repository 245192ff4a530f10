"""Converts failures, which are plain data, into the exceptions that users see."""

from __future__ import annotations

from sabotnb.errors import JobCanceled, JobError, JobFailed
from sabotnb.protocol import RunStatus
from sabotnb.task import error_of


def job_failed(job: str, status: RunStatus | None) -> JobError:
    """The exception of a job that ended in FAILED or CANCELED.

    Without a failure the end was requested; ``status`` is None for a run that was dropped long ago.

    The message has the user's traceback and a sample of the rows. ``reason`` is an exception of the class that the
    failure names, ``__cause__`` the user's own if it could travel. Unpickles it: for the client only.
    """
    failure = status.failure if status is not None else None
    if failure is None:
        note = f"\n{status.note}" if status is not None and status.note else ""
        return JobCanceled(f"job {job!r} was canceled; .run() starts it again{note}")
    described = error_of(failure)
    if isinstance(described, JobCanceled):
        return described
    error = JobFailed(f"job {job!r} failed: {described}")
    error.reason = described
    if described.__cause__ is not None:  # its frames came without their code; the message shows them as they were
        error.__cause__ = described.__cause__.with_traceback(None)
    return error
