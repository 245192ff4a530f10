"""Tracks client sessions, and cancels jobs whose rows only a disconnected session could take."""

from __future__ import annotations

from collections.abc import Iterable

from sabotnb.execution import replies
from sabotnb.execution.cluster_state import ClusterState
from sabotnb.execution.job_run import JobRun
from sabotnb.execution.termination import Termination
from sabotnb.execution.transitions import BEGUN
from sabotnb.protocol import Instruction, JobChanged, JobState, SessionChanged, SessionOverdue, SetTimer


class Sessions:
    """Cancels jobs whose rows only one session takes, when that session has been disconnected for ``seconds``.

    No other session can take the rows, so such a job would wait forever. The delay is for a connection that is lost
    briefly, and for a restarted kernel that runs the job's cell again and takes the job over.
    """

    def __init__(self, state: ClusterState, ending: Termination, seconds: float) -> None:
        self._state = state
        self._ending = ending
        self._seconds = seconds

    def changed(self, now: float, event: SessionChanged) -> Iterable[Instruction]:
        """A session has connected, or its last connection has ended."""
        if event.connected:
            self._state.sessions.add(event.owner)
        else:
            self._state.sessions.discard(event.owner)
            yield SetTimer(SessionOverdue(event.owner), now + self._seconds)

    def overdue(self, now: float, event: SessionOverdue) -> Iterable[Instruction]:
        """Cancel the jobs of a session that has not come back in time."""
        owner = event.owner
        if owner in self._state.sessions:
            return
        for job in list(self._state.jobs.values()):
            waiting = job.successor
            if waiting is not None and waiting.state is JobState.PENDING and _only_for(owner, waiting):
                waiting.failure = waiting.failure or replies.session_gone(job.name)
                job.withdraw_successor(now)
                yield JobChanged(job.name, waiting.state)
            if job.state in BEGUN and _only_for(owner, job):  # a run that commits has no rows left to take
                job.failure = job.failure or replies.session_gone(job.name)
                yield from self._ending.cancel(now, job)


def _only_for(owner: str, run: JobRun) -> bool:
    """True if only the session ``owner`` can take the rows of ``run``."""
    return run.request.owner == owner and run.request.pulled
