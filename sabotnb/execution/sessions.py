"""Tracks client sessions, and cancels jobs whose rows only a disconnected session could take."""

from __future__ import annotations

from collections.abc import Iterable

from sabotnb.execution import refusals
from sabotnb.execution.cluster_state import ClusterState
from sabotnb.execution.termination import Termination
from sabotnb.protocol import Instruction, SessionChanged, SetTimer

TIMER = "session "
"""Prefix of the name of a disconnected session's timer; the session's id follows."""


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
            yield SetTimer(TIMER + event.owner, now + self._seconds)

    def timer(self, now: float, name: str) -> Iterable[Instruction]:
        """Cancel the jobs of a session that has not come back in time."""
        owner = name.removeprefix(TIMER)
        if owner in self._state.sessions:
            return
        for job in list(self._state.jobs.values()):
            if job.request.owner == owner and job.request.pulled and not job.state.terminal:
                job.failure = job.failure or refusals.session_gone(job.name)
                yield from self._ending.cancel(now, job)
