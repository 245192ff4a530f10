"""Client sessions: who is connected, and what becomes of jobs whose rows only a session takes that is gone."""

from __future__ import annotations

from collections.abc import Iterable

from sabotnb.execution import refusals
from sabotnb.execution.cluster_state import ClusterState
from sabotnb.execution.termination import Termination
from sabotnb.protocol import Instruction, SessionChanged, SetTimer

TIMER = "session "
"""Begins the name of the timer of a session that has gone; its owner follows."""


class Sessions:
    """Cancels the jobs that a session was to take rows of when it has been gone for ``seconds``.

    No other session can take them, so such a job would wait forever. A session may be gone for a moment only, or a
    restarted kernel may run the job's cell again and take it over.
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
        """The time of a session that has gone is over."""
        owner = name.removeprefix(TIMER)
        if owner in self._state.sessions:
            return
        for job in list(self._state.jobs.values()):
            if job.request.owner == owner and job.request.pulled and not job.state.terminal:
                job.failure = job.failure or refusals.session_gone(job.name)
                yield from self._ending.cancel(now, job)
