"""Handles the events of cuts: refuses those that are over, and passes the others on to ``checkpoint_coordinator``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sabotnb.errors import StaleMessage
from sabotnb.execution import checkpoint_coordinator as coordinator
from sabotnb.execution import replies
from sabotnb.execution.cluster_state import ClusterState
from sabotnb.execution.job_run import JobRun
from sabotnb.execution.run_cuts import PendingCut
from sabotnb.execution.termination import Termination
from sabotnb.metrics import Report
from sabotnb.protocol import (
    CutAcked,
    CutDue,
    CutFailed,
    CutOverdue,
    Event,
    Instruction,
    RunId,
    Stored,
)


class CutEvents:
    """Events that concern the cut in progress of a run."""

    def __init__(self, state: ClusterState, ending: Termination) -> None:
        self._state = state
        self._ending = ending

    def handlers(self) -> dict[type[Event], Callable[[float, Any], Iterable[Instruction]]]:
        """The function that handles each event, by its type."""
        return {
            CutDue: self._due,
            CutOverdue: self._overdue,
            CutAcked: self._acked,
            CutFailed: self._failed,
            Stored: self._stored,
        }

    def _due(self, now: float, event: CutDue) -> Iterable[Instruction]:
        job = self._current(event.run, event.epoch)
        policy = job.request.checkpoint if job is not None else None
        if job is not None and policy is not None and coordinator.may_begin(job):
            yield from coordinator.begin(now, job, policy)

    def _overdue(self, now: float, event: CutOverdue) -> Iterable[Instruction]:
        job = self._current(event.run, event.epoch)
        pending = _pending(job, event.cut)
        if job is not None and pending is not None and pending.storing is None:
            yield from coordinator.fail(now, job, pending, replies.cut_overdue(job, pending))

    def _acked(self, now: float, event: CutAcked) -> Iterable[Instruction]:
        job, _ = self._state.find_task(event.agent, event.attempt, f"acknowledges cut {event.cut} of")
        pending = _pending(job, event.cut)
        if pending is None or event.attempt.task not in pending.missing:
            raise StaleMessage(f"{event.agent} acknowledges cut {event.cut} of {event.attempt}, which is over")
        counted = Report(now, event.counters, event.sent)
        return coordinator.acknowledge(now, job, event.attempt.task, event.snapshot, counted)

    def _failed(self, now: float, event: CutFailed) -> Iterable[Instruction]:
        job, _ = self._state.find_task(event.agent, event.attempt, f"fails cut {event.cut} of")
        pending = _pending(job, event.cut)
        if pending is None or event.attempt.task not in pending.missing:
            raise StaleMessage(f"{event.agent} fails cut {event.cut} of {event.attempt}, which is over")
        return coordinator.fail(now, job, pending, event.failure)

    def _stored(self, now: float, event: Stored) -> Iterable[Instruction]:
        job = self._current(event.run, event.epoch)
        pending = _pending(job, event.cut)
        if job is None or pending is None or pending.storing is None:
            raise StaleMessage(f"cut {event.cut} of {event.run}, epoch {event.epoch}, is over")
        if event.failure is not None:
            yield from coordinator.fail(now, job, pending, event.failure)
        else:
            yield from coordinator.stored(now, job, pending)
            yield from self._ending.commit_next(now, job)
            if pending.savepoint is not None and pending.savepoint.stop:
                yield from self._ending.end_at_savepoint(now, job, pending)
            yield from coordinator.next_cut(now, job)
        yield from self._ending.wind_up(now, job)

    def _current(self, run: RunId, epoch: int) -> JobRun | None:
        """The current run of a name, if an event is about it and its epoch."""
        job = self._state.jobs.get(run.job)
        return job if job is not None and (job.id, job.epoch) == (run, epoch) else None


def _pending(job: JobRun | None, cut: int) -> PendingCut | None:
    pending = job.cuts.pending if job is not None else None
    return pending if pending is not None and pending.cut.id == cut else None
