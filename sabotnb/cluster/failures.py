"""From failures as plain data to the exceptions that the user sees."""

from __future__ import annotations

from sabotnb.errors import JobCanceled, JobError, JobFailed
from sabotnb.protocol.failure import Failure
from sabotnb.task.failure import error_of


def job_failed(job: str, failure: Failure | None) -> JobError:
    """The exception of a job that ended in FAILED or CANCELED (``failure`` None: because somebody asked for it).

    The message has the user's traceback and a sample of the rows. ``reason`` is an exception of the class that the
    failure names, ``__cause__`` the user's own if it could travel. Unpickles it: for the client only.
    """
    if failure is None:
        return JobCanceled(f"job {job!r} was canceled; .run() starts it again")
    described = error_of(failure)
    if isinstance(described, JobCanceled):
        return described
    error = JobFailed(f"job {job!r} failed: {described}")
    error.reason = described
    if described.__cause__ is not None:  # its frames came without their code; the message shows them as they were
        error.__cause__ = described.__cause__.with_traceback(None)
    return error
