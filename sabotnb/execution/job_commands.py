"""Carries out clients' commands: submit, cancel, stop, pause, resume, fail and forget. Each one gets a ``Reply``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from sabotnb.execution import refusals
from sabotnb.execution.answers import said
from sabotnb.execution.cluster_state import ClusterState, tell_running
from sabotnb.execution.job_run import JobRun
from sabotnb.execution.outputs import replaces_output_of, writer_in_the_way
from sabotnb.execution.placement import strategy
from sabotnb.execution.scheduling import Scheduling
from sabotnb.execution.slots import slot_requests
from sabotnb.execution.termination import Termination
from sabotnb.protocol import (
    Instruction,
    JobChanged,
    JobRequest,
    JobState,
    PauseSources,
    Reply,
    ResumeSources,
    StopSources,
    UserCommand,
)


class JobCommands:
    """Handles ``UserCommand`` events. ``next_epoch`` returns an epoch greater than its argument."""

    def __init__(
        self, state: ClusterState, scheduling: Scheduling, ending: Termination, next_epoch: Callable[[int], int]
    ) -> None:
        self._state = state
        self._scheduling = scheduling
        self._ending = ending
        self._next_epoch = next_epoch
        self._epoch = 0

    def command(self, now: float, command: UserCommand) -> Iterable[Instruction]:
        """Carry ``command`` out and reply to it."""
        if command.kind == "submit":
            yield from self._submit(now, command)
            return
        job = self._state.jobs.get(command.job)
        if job is None:
            yield Reply(command.id, failure=refusals.no_such_job(command.job, self._state.jobs))
            return
        wanted = command.args.get("epoch")
        waiting = job.successor if job.successor is not None and not job.successor.state.terminal else None
        meant = waiting if waiting is not None and wanted is None else self._state.runs.get(job.name, wanted)
        # before the command changes anything: the sentence describes the run as the client knew it
        sentence = said(command.kind, job.name, meant)
        if command.kind in ("cancel", "stop"):
            if waiting is not None and wanted in (None, waiting.epoch):
                job.withdraw_successor(now)
                yield JobChanged(job.name, waiting.state)
            if wanted in (None, job.epoch):  # otherwise the run that is meant is over
                yield from self._ending.cancel(now, job) if command.kind == "cancel" else self._stop(now, job)
        elif command.kind == "fail":
            if wanted == job.epoch and job.state in (JobState.DEPLOYING, JobState.RUNNING):
                yield from self._ending.fail(now, job, command.args["failure"])
        elif command.kind in ("pause", "resume") and meant is not None:
            yield from self._pause(meant, command.kind == "pause")
        elif command.kind == "forget" and wanted in (None, job.epoch):
            yield from self._forget(job)
        yield Reply(command.id, value={"job": job.name, "epoch": job.epoch, "state": job.state.value, "said": sentence})

    def _submit(self, now: float, command: UserCommand) -> Iterable[Instruction]:
        request: JobRequest = command.args["request"]
        running = self._running(request.name)
        if running is not None and running.request.owner in self._state.sessions - {request.owner}:
            yield Reply(command.id, failure=refusals.name_held(running))
            return
        newest = (running.successor or running) if running else None
        goes_on = newest is not None and newest.goes_on
        if newest is not None and goes_on and newest.request.fingerprint == request.fingerprint:
            newest.request = replace(newest.request, owner=request.owner)  # whose session may have ended
            yield Reply(command.id, value=_submitted(newest, "attached"))
            return
        taken = writer_in_the_way(request, self._state.jobs.values())
        if taken is not None:
            yield Reply(command.id, failure=refusals.output_taken(*taken))
            return
        requests = slot_requests(request.vertices)
        pool = self._state.pool
        if not pool.could_ever_fit(requests, strategy(request.placement)):
            yield Reply(command.id, failure=refusals.too_few_slots(request, requests, pool.statistics()))
            return
        self._epoch = self._next_epoch(self._epoch)
        job = JobRun(request, self._epoch, submitted=now, changed=now)
        # the reply comes first: when it is carried out, the run's blobs are stored, which its Deploy then sends
        if running is None:
            yield Reply(command.id, value=_submitted(job, "started"))
            yield from self._scheduling.begin(now, job)
        else:
            yield Reply(command.id, value=_submitted(job, self._how(running, job)))
            yield from self._succeed(now, running, job)

    def _succeed(self, now: float, running: JobRun, job: JobRun) -> Iterable[Instruction]:
        """Make ``job`` the successor of ``running``, and stop or cancel ``running`` unless it is already ending.

        ``job`` begins when ``running`` has ended. A run that already waited for that is dropped and never begins.
        """
        if running.successor is not None:
            running.successor.failure = running.successor.failure or refusals.replaced(job.name)
            running.withdraw_successor(now)
            self._state.runs.remember(running.successor)
        running.successor = job
        if running.goes_on and self._publishes_when_stopped(running):
            yield from self._stop(now, running)
        elif running.goes_on:
            running.failure = refusals.replaced(job.name)
            yield from self._ending.cancel(now, running)
        yield JobChanged(job.name, job.state)

    def _how(self, running: JobRun, job: JobRun) -> str:
        """The word that tells the client how ``job`` follows ``running``: stopped, replaced or queued."""
        if self._publishes_when_stopped(running):
            return "stopped, then replaces" if replaces_output_of(job.request, running.request) else "stopped"
        return "replaced" if (running.successor or running).goes_on else "queued"

    def _publishes_when_stopped(self, running: JobRun) -> bool:
        """True if a replaced run is stopped, which commits its output, instead of canceled, which loses it.

        That is so for endless runs that write files: their rows cannot be produced again. A run whose rows only a
        disconnected session can take is canceled, because it could never drain.
        """
        request = running.request
        endless = not request.views.get("bounded", True)
        heard = not request.pulled or request.owner in self._state.sessions
        under_way = running.state in (JobState.DEPLOYING, JobState.RUNNING, JobState.COMMITTING)
        return under_way and endless and heard and bool(request.outputs)

    def _running(self, name: str) -> JobRun | None:
        job = self._state.jobs.get(name)
        return None if job is None or job.state.terminal else job

    def _stop(self, now: float, job: JobRun) -> Iterable[Instruction]:
        if job.state is JobState.PENDING:
            yield from self._ending.cancel(now, job)
        elif job.state in (JobState.DEPLOYING, JobState.RUNNING):
            job.stopping, job.paused = True, False
            job.version += 1
            yield from tell_running(job, StopSources(job.name, job.epoch))
            yield JobChanged(job.name, job.state)

    def _pause(self, job: JobRun, wanted: bool) -> Iterable[Instruction]:
        """Pause or resume. A run that is not RUNNING yet is told just before its sources start."""
        if not job.goes_on or job.paused is wanted:
            return
        job.paused = wanted
        job.version += 1
        if job.state is JobState.RUNNING:
            order = PauseSources if wanted else ResumeSources
            yield from tell_running(job, order(job.name, job.epoch))
        yield JobChanged(job.name, job.state)

    def _forget(self, job: JobRun) -> Iterable[Instruction]:
        if job.state.terminal:
            yield from self._scheduling.forget(job)


def _submitted(job: JobRun, how: str) -> dict[str, Any]:
    return {"job": job.name, "epoch": job.epoch, "how": how}
