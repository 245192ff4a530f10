"""What people are told of lost workers and connections: the failures of runs, and what they went on without.

Each failure ends with something to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sabotnb.errors import AgentLost, JobReplaced
from sabotnb.execution.job_run import JobRun
from sabotnb.protocol import AgentInfo, Failure, JobState, failure

_SILENT = "no heartbeat for"


def say_kept(job: JobRun) -> None:
    """Let the failure of a run that has ended, or its note, say how a corrected job goes on from its checkpoints."""
    over = job.state in (JobState.FAILED, JobState.CANCELED) and not job.output_stays
    if over and job.failure is not None and job.failure.error != JobReplaced.__name__:
        job.failure = _with_kept(job.failure, job)
    elif over and job.failure is None:
        job.explain(_goes_on(job))


def _with_kept(failed: Failure, job: JobRun) -> Failure:
    message = failed.message
    if job.cuts.kept and job.commits_cuts:
        message = message.replace(failure.NOTHING_COMMITTED, "What its checkpoints have committed stays.")
    ways = ("start_from=", "drop_state=", "fresh=True", failure.NOTHING_LOST)
    advised = any(way in message + failed.advice for way in ways)
    advice = failed.advice if advised else "\n".join(filter(None, (failed.advice, _goes_on(job))))
    return replace(failed, message=message, advice=advice)


def _goes_on(job: JobRun) -> str:
    """How a new run goes on from the last checkpoint of one that has ended; empty if there is none."""
    began = job.request.start_from if job.started is not None else None  # else it may be the reason of the failure
    cut = job.cuts.last or began
    if cut is None or cut.run.job != job.name:
        return ""
    return f"Its state is kept. To go on from {cut.kind.value} {cut.cut}: .run({job.name!r}, start_from={cut.cut})"


def agent_lost(agent: AgentInfo, reason: str) -> Failure:
    """A worker process is gone."""
    return Failure(
        AgentLost.__name__,
        f"{_where(agent)} was lost: {reason}. {failure.NOTHING_COMMITTED} Run the job again; if it fails again, "
        "a user function probably crashes the worker or runs out of memory.",
    )


def agent_silent(agent: AgentInfo, seconds: float) -> Failure:
    """A worker process sent no heartbeat for ``seconds``."""
    return Failure(
        AgentLost.__name__,
        f"{_where(agent)} was lost: {_SILENT} {seconds:g} s. Its process was stopped, or one call in it held "
        "Python's global lock for that long, as some regular expressions and C extensions do. "
        f"{failure.NOTHING_COMMITTED} Run the job again, with smaller pieces of work for such a call.",
    )


def agent_taken_away(agent: AgentInfo, reason: str) -> Failure:
    """A worker process was ended on purpose."""
    return Failure(
        AgentLost.__name__,
        f"{_where(agent)} was taken away: {reason}. {failure.NOTHING_COMMITTED} Run the job again.",
    )


def _where(agent: AgentInfo) -> str:
    return f"worker {agent.id} (process {agent.pid} on {agent.host})"


def connection_lost(agent: str, peer: str, reason: str) -> Failure:
    """Two agents cannot reach each other any more."""
    return Failure(AgentLost.__name__, failure.connection_lost(agent, peer, reason))


def cause(failure: Failure) -> str:
    """The first sentence of a loss: what was lost, and how; the others say what to do."""
    return failure.message.partition(". ")[0]


def survived(job: JobRun) -> str:
    """The last loss after which a run began again, and what that cost it; empty if there was none."""
    if job.survived is None:
        return "its cluster had ended" if job.starts_before else ""
    lost = cause(job.survived)
    if job.shared_slots is None or job.state not in (JobState.DEPLOYING, JobState.RUNNING):
        return lost
    return f"{lost}; it runs in {job.shared_slots} of the {len(job.slot_requests)} slots that it needs, and is slower"


def rows_passed_on(loss: Failure, sinks: Sequence[str]) -> Failure:
    """A run with files lost a worker after a client may have taken rows of it."""
    return Failure(
        AgentLost.__name__,
        f"{cause(loss)}. The job does not start again, as rows of it were passed on to "
        f"{' and '.join(map(repr, sinks))}. {failure.NOTHING_COMMITTED} Run the job again.",
    )


def crashing_function(loss: Failure, operator: str) -> Failure:
    """A second worker was lost while it ran a function of the user."""
    if _SILENT in loss.message:
        guess = f"One call of the function in {operator!r} probably holds Python's global lock for that long."
        advice = (
            "Run the job again, with smaller pieces of work for such a call, or a longer SABOTNB_AGENT_LOST_SECONDS."
        )
    else:
        guess = f"The function in {operator!r} probably crashes its process, or takes all of its memory."
        advice = "Try the function on a few rows with .head(), then run the job again."
    return Failure(
        AgentLost.__name__,
        f"{cause(loss)}, while it ran {operator!r}, as a worker before it did. {guess} "
        f"{failure.NOTHING_COMMITTED} {advice}",
    )


def too_many_losses(loss: Failure, times: int, seconds: float) -> Failure:
    """Workers are lost again and again."""
    return Failure(
        AgentLost.__name__,
        f"{cause(loss)}. This was loss {times} of a worker or connection in {seconds / 60:g} minutes, so the job "
        f"does not start again. {failure.NOTHING_COMMITTED} Look into the workers' logs, then run the job again.",
    )


def no_slots_to_restart(loss: Failure, missing: str, seconds: float) -> Failure:
    """A run that lost a worker waited for slots in vain."""
    return Failure(
        AgentLost.__name__,
        f"{cause(loss)}. The job {missing}, and waited {seconds:g} s to start again. {failure.NOTHING_COMMITTED} "
        "env.scale(n) adds workers; then run the job again.",
    )
