"""Rules for jobs that do not run now: they wait, start, pause, end or have ended."""

from __future__ import annotations

from sabotnb.metrics.job_metrics import Finding, JobMetrics
from sabotnb.metrics.why.vertex_loads import measured
from sabotnb.metrics.why.wording import exact_percent, row_count, short


def ended(job: JobMetrics) -> Finding | None:
    """Report a job that has ended, is being canceled, or commits its output."""
    match job.state:
        case "FINISHED":
            end = _stopped(job) if job.stopping else "The job has finished"
            rows = f"{row_count(job.rows_in.rows)} in, {row_count(job.rows_out.rows)} out"
            return Finding("ended", "", f"{end}: {rows}{_dropped(job)}.")
        case "CANCELED":
            return _canceled(job)
        case "CANCELING":
            return Finding("ended", "", "The job is being canceled.")
        case "COMMITTING":
            return Finding("ended", "", "All rows are processed; the output is being committed.")
    return None


def _dropped(job: JobMetrics) -> str:
    """Return what the job dropped because its sources were stopped, as the end of a sentence."""
    lost = [f"{job.open_windows:,} results of windows that were open"] if job.open_windows else []
    lost += [f"{row_count(job.waiting_rows)} of joins that waited for a partner"] if job.waiting_rows else []
    return f"; dropped: {' and '.join(lost)}" if lost else ""


def _stopped(job: JobMetrics) -> str:
    early = stopped_early(job)
    return f"The job was stopped after {early}" if early else "The job was stopped"


def stopped_early(job: JobMetrics) -> str:
    """Return how much a stopped job has read, ``12 % of its input``; empty if it was all, or is unknown."""
    if not job.stopping or not job.bounded or job.progress is None or job.progress >= 1:
        return ""
    return f"{exact_percent(job.progress)} of its input"


def _canceled(job: JobMetrics) -> Finding:
    if job.error is not None and job.error.kind == "JobReplaced":
        return Finding("ended", "", "A newer run has replaced this one.", f"sb.attach({job.job!r}) is the newer run")
    if job.error is not None:
        return Finding("ended", "", job.error.message)
    if job.started is None:
        return Finding("ended", "", "The job was canceled before it started.", ".run() starts it again")
    return Finding("ended", "", f"The job was canceled{_removed(job)}.", ".run() starts it again")


def _removed(job: JobMetrics) -> str:
    """Return which output of a canceled job is removed, as the end of a sentence."""
    if not job.commits:
        return ""
    if job.checkpointed is None:
        return " and its output removed"
    stays = "is kept" if job.bounded else "stays"  # hidden, for a run that goes on from there
    return f"; its output up to the last checkpoint {stays}, and later output was removed"


def failed(job: JobMetrics) -> Finding | None:
    """Report the failure of a job."""
    if job.state not in ("FAILED", "FAILING"):
        return None
    if job.error is None:
        return Finding("failed", "", "The job failed without a reason: see the worker logs.")
    operator = job.error.operator or job.error.vertex
    reason = job.error.message.strip().partition("\n")[0] or job.error.kind
    sentence = reason if not operator or operator in reason else f"{short(operator)} failed: {reason}"
    advice = 'on_error="side" sets such rows aside' if _may_set_aside(job, operator) else ""
    return Finding("failed", operator, sentence, advice)


def _may_set_aside(job: JobMetrics, operator: str) -> bool:
    """True if the operator that failed has the option ``on_error``."""
    chains = (zip(vertex.operators, vertex.kinds, strict=False) for vertex in job.vertices)
    kinds = {metrics.id: kind for chain in chains for metrics, kind in chain}
    assert job.error is not None
    return job.error.kind == "UserFunctionError" and kinds.get(operator) in ("map", "map_rows")


def waiting(job: JobMetrics) -> Finding | None:
    """Report what a pending job waits for."""
    if job.state != "PENDING":
        return None
    if job.waits_for == "previous run":
        return Finding("waiting", "", f"The job {job.waits}.")
    sentence = f"The job {job.waits}." if job.waits else "The job waits for slots."
    return Finding("waiting", "", sentence, "sb.jobs() shows which jobs hold slots; env.scale(n) adds workers")


def restarting(job: JobMetrics) -> Finding | None:
    """Report a job that begins again after it lost a worker."""
    if job.state != "RESTARTING":
        return None
    advice = "env.scale(n) adds workers" if job.waits_for == "slots" else ""
    waits = f": it {job.waits}" if job.waits else ""
    return Finding(
        "waiting", "", f"{job.lost}. The job starts again from {job.goes_on_from or 'the beginning'}{waits}.", advice
    )


def paused(job: JobMetrics) -> Finding | None:
    """Report a paused job."""
    if not job.paused:
        return None
    return Finding("paused", "", "The job is paused: its sources are not reading.", f"sb.attach({job.job!r}).resume()")


def starting(job: JobMetrics) -> Finding | None:
    """Report a job whose tasks are not ready, or have no metrics yet."""
    if job.state == "DEPLOYING":
        ready = sum(task.state in ("RUNNING", "FINISHED") for task in job.tasks)
        sentence = f"{ready} of {len(job.tasks)} tasks are ready; sources start reading when all are."
        if job.goes_on_from and not job.restarts:  # else ``started_again`` says so
            sentence += f" The job goes on from {job.goes_on_from}."
        return Finding("starting", "", sentence)
    if any(measured(vertex) for vertex in job.vertices):
        return None
    if job.tasks and all(task.state == "FINISHED" for task in job.tasks):
        return Finding("ended", "", "All tasks are done; the job is about to end.")
    return Finding("starting", "", "The job has just started: no metrics yet.")


def stopping(job: JobMetrics) -> Finding | None:
    """Report a job that processes its last rows after a stop."""
    if not job.stopping or job.state != "RUNNING":
        return None
    then = ", then the output is committed" if job.commits else ""
    return Finding("ended", "", f"The job is stopping: rows already read are processed{then}.")
