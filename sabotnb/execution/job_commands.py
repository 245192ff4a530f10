"""Carries out the commands of clients, a function for each type of command. Each one gets a ``Reply``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from sabotnb.execution import checkpoint_coordinator as coordinator
from sabotnb.execution import replies
from sabotnb.execution.cluster_state import ClusterState, tell_running
from sabotnb.execution.job_run import JobRun
from sabotnb.execution.outputs import replaces_output_of, writer_in_the_way
from sabotnb.execution.placement import strategy
from sabotnb.execution.replies import sentence_of
from sabotnb.execution.savepoint_commands import left_behind, start_refusal, take_savepoint
from sabotnb.execution.scheduling import Scheduling
from sabotnb.execution.slots import slot_requests
from sabotnb.execution.status.cut_status import checkpoint_status
from sabotnb.execution.termination import Termination
from sabotnb.execution.transitions import DEPLOYED
from sabotnb.protocol import (
    Cancel,
    CommandResult,
    DropResults,
    Event,
    Fail,
    Failure,
    Instruction,
    JobChanged,
    JobRequest,
    JobState,
    Pause,
    PauseSources,
    Reply,
    Resume,
    ResumeRun,
    ResumeSources,
    RunCommand,
    RunId,
    Stop,
    StopSources,
    Submit,
    Submitted,
    TakeSavepoint,
    job_of,
)

Handler = Callable[[float, Any], Iterable[Instruction]]
"""Carries out one type of event at a time of the machine's clock."""

Act = Callable[[float, Any, JobRun], Iterable[Instruction]]
"""Carries out one type of command, given the current run of the job."""


class JobCommands:
    """Handles the commands of clients. ``next_number`` returns a run number greater than its argument."""

    def __init__(
        self, state: ClusterState, scheduling: Scheduling, ending: Termination, next_number: Callable[[int], int]
    ) -> None:
        self._state = state
        self._scheduling = scheduling
        self._ending = ending
        self._next_number = next_number
        self._number = 0
        self._acts: dict[type[RunCommand], Act] = {
            Cancel: self._cancel,
            Stop: self._stop,
            Pause: self._pause,
            Resume: self._resume,
            Fail: self._fail,
            DropResults: self._drop_results,
        }

    def handlers(self) -> dict[type[Event], Handler]:
        """The function that carries out each command, by its type."""
        return {
            Submit: self._submit,
            ResumeRun: self._resume_run,
            TakeSavepoint: self._carry_out,
            **dict.fromkeys(self._acts, self._carry_out),
        }

    def refusal(self, request: JobRequest) -> Failure | None:
        """The reason that ``request`` cannot begin a run, also when nothing else runs; None if it can."""
        return self.held(request.name, request.owner) or self._cannot_begin(request)

    def held(self, name: str, owner: str) -> Failure | None:
        """The failure of ``owner``, a session, to use a job's name: another one that is connected runs that job."""
        running = self._running(name)
        held = running is not None and running.request.owner in self._state.sessions - {owner}
        return replies.name_held(running) if running is not None and held else None

    def continuable(self, request: JobRequest) -> JobRun | None:
        """The running job of the same name if ``request``, which is not the same, can go on from its state."""
        running = self._running(request.name)
        if running is None or not running.goes_on or running.successor is not None:
            return None
        if running.request.fingerprint == request.fingerprint:
            return None
        if running.state is JobState.PENDING:
            return running if running.next_base is not None else None
        takes = running.request.checkpoint is not None and self._is_heard(running)
        return running if takes else None

    def _is_heard(self, running: JobRun) -> bool:
        """False if only a disconnected session can take the rows of a run, so that no cut can pass through it."""
        return not running.request.pulled or running.request.owner in self._state.sessions

    def _cannot_begin(self, request: JobRequest) -> Failure | None:
        taken = writer_in_the_way(request, self._state.jobs.values())
        if taken is not None:
            return replies.output_taken(*taken)
        cut = request.start_from
        left = left_behind(cut, self._state.runs.get(cut.run) if cut is not None else None)
        return left or start_refusal(request) or self._lack_of_slots(request)

    def _submit(self, now: float, command: Submit) -> Iterable[Instruction]:
        request = command.request
        held = self.held(request.name, request.owner)
        if held is not None:
            yield Reply(command.id, failure=held)
            return
        running = self._running(request.name)
        newest = (running.successor or running) if running else None
        goes_on = newest is not None and newest.goes_on
        if newest is not None and goes_on and newest.request.fingerprint == request.fingerprint:
            newest.request = replace(newest.request, owner=request.owner)  # whose session may have ended
            yield Reply(command.id, Submitted(newest.id, "attached"))
            return
        refused = self._cannot_begin(request)
        if refused is not None:
            yield Reply(command.id, failure=refused)
            return
        self._number = self._next_number(self._number)
        job = JobRun(request, RunId(request.name, self._number), submitted=now, changed=now)
        # the reply comes first: when it is carried out, the run's blobs are stored, which its Deploy then sends
        if running is None:
            yield Reply(command.id, Submitted(job.id, "started"))
            yield from self._scheduling.begin(now, job)
        else:
            yield Reply(command.id, Submitted(job.id, self._how(running, job)))
            yield from self._succeed(now, running, job)

    def _resume_run(self, now: float, command: ResumeRun) -> Iterable[Instruction]:
        request = command.request
        running = self._running(request.name)
        if running is not None:
            yield Reply(command.id, failure=replies.still_runs(running))
            return
        taken = writer_in_the_way(request, self._state.jobs.values())
        refused = replies.output_taken(*taken) if taken is not None else self._lack_of_slots(request)
        if refused is not None:
            yield Reply(command.id, failure=refused)
            return
        self._number = max(self._number, command.run.number)
        job = JobRun(
            request,
            command.run,
            submitted=now,
            epoch=command.epoch,
            first_epoch=command.epoch,
            starts_before=command.starts,
            changed=now,
        )
        for cut in command.cuts:
            job.cuts.keep(cut)
            job.cuts.shown.append(checkpoint_status(cut, now - (command.at - cut.at) - cut.seconds))
        base = job.cuts.last.cut if job.cuts.last is not None else 0
        job.cuts.number = max(base, command.newest)
        yield Reply(command.id, Submitted(job.id, "resumed"))
        yield from self._scheduling.begin(now, job)

    def _lack_of_slots(self, request: JobRequest) -> Failure | None:
        """The reason that the cluster could not run ``request`` even if nothing else ran; None if it could."""
        requests = slot_requests(request.topology.vertices.values())
        pool = self._state.pool
        if pool.could_ever_fit(requests, strategy(request.placement)):
            return None
        return replies.too_few_slots(request, requests, pool.statistics())

    def _succeed(self, now: float, running: JobRun, job: JobRun) -> Iterable[Instruction]:
        """Make ``job`` the successor of ``running``, and stop or cancel ``running`` unless it is already ending.

        ``job`` begins when ``running`` has ended. A run that already waited for that is dropped and never begins.
        """
        if running.successor is not None:
            running.successor.failure = running.successor.failure or replies.replaced(job.name)
            running.withdraw_successor(now)
            self._state.runs.remember(running.successor)
        running.successor = job
        if running.goes_on and self._commits_when_stopped(running):
            yield from self._stop_run(now, running)
        elif running.goes_on:
            running.failure = replies.replaced(job.name)
            yield from self._ending.cancel(now, running)
        yield JobChanged(job.name, job.state)

    def _how(self, running: JobRun, job: JobRun) -> str:
        """The word that tells the client how ``job`` follows ``running``: stopped, replaced or queued."""
        if self._commits_when_stopped(running):
            replaces = replaces_output_of(job.request, running.request) and not _goes_on_from(job, running)
            return "stopped, then replaces" if replaces else "stopped"
        return "replaced" if (running.successor or running).goes_on else "queued"

    def _commits_when_stopped(self, running: JobRun) -> bool:
        """True if a replaced run is stopped, which commits its output, instead of canceled, which loses it.

        That is so for endless runs that write files: their rows cannot be produced again. A run whose rows only a
        disconnected session can take is canceled, because it could never drain, and so is one that would start again
        from its beginning.
        """
        request = running.request
        endless = not request.topology.bounded
        from_beginning = running.state is JobState.RESTARTING and running.next_base is None
        under_way = running.state is JobState.COMMITTING or (running.state in DEPLOYED and not from_beginning)
        return under_way and endless and self._is_heard(running) and bool(request.outputs)

    def _running(self, name: str) -> JobRun | None:
        job = self._state.jobs.get(name)
        return None if job is None or job.state.terminal else job

    def _carry_out(self, now: float, command: RunCommand) -> Iterable[Instruction]:
        name = job_of(command.run)
        job = self._state.jobs.get(name)
        if job is None:
            yield Reply(command.id, failure=replies.no_such_job(name, self._state.jobs))
            return
        if isinstance(command, TakeSavepoint) or (isinstance(command, Stop) and command.savepoint is not None):
            yield from take_savepoint(now, self._meant(command, job) or job, command)
            return
        # before the command changes anything: the sentence describes the run as the client knew it
        sentence = sentence_of(command, name, self._meant(command, job))
        yield from self._acts[type(command)](now, command, job)
        yield Reply(command.id, CommandResult(job.id, job.state, sentence))

    def _cancel(self, now: float, command: Cancel, job: JobRun) -> Iterable[Instruction]:
        yield from self._withdraw(now, command, job)
        if command.run in (job.name, job.id):  # otherwise the run that is meant is over
            yield from self._ending.cancel(now, job)

    def _stop(self, now: float, command: Stop, job: JobRun) -> Iterable[Instruction]:
        yield from self._withdraw(now, command, job)
        if command.run in (job.name, job.id):
            yield from self._stop_run(now, job)

    def _withdraw(self, now: float, command: Cancel | Stop, job: JobRun) -> Iterable[Instruction]:
        waiting = _waiting(job)
        if waiting is not None and command.run in (job.name, waiting.id):
            job.withdraw_successor(now)
            yield JobChanged(job.name, waiting.state)

    def _fail(self, now: float, command: Fail, job: JobRun) -> Iterable[Instruction]:
        waiting = _waiting(job)
        if command.run == job.id:
            yield from self._ending.end_by(now, job, command.failure)
        elif waiting is not None and command.run == waiting.id:
            waiting.failure = command.failure
            job.withdraw_successor(now)
            yield JobChanged(job.name, waiting.state)

    def _pause(self, _now: float, command: Pause, job: JobRun) -> Iterable[Instruction]:
        return self._set_paused(self._meant(command, job), paused=True)

    def _resume(self, _now: float, command: Resume, job: JobRun) -> Iterable[Instruction]:
        return self._set_paused(self._meant(command, job), paused=False)

    def _drop_results(self, _now: float, command: DropResults, job: JobRun) -> Iterable[Instruction]:
        if command.run in (job.name, job.id) and job.state.terminal:
            yield from self._scheduling.forget(job)

    def _meant(self, command: RunCommand, job: JobRun) -> JobRun | None:
        """The run that a command means: by a job's name the newest one; None if it was dropped long ago."""
        return (_waiting(job) if command.run == job.name else None) or self._state.runs.get(command.run)

    def _stop_run(self, now: float, job: JobRun) -> Iterable[Instruction]:
        if job.state is JobState.PENDING or (job.state is JobState.RESTARTING and job.next_base is None):
            yield from self._ending.cancel(now, job)  # no rows of it are there
        elif job.state in DEPLOYED:  # one that is RESTARTING stops at its last cut
            job.stopping, job.paused = True, False
            job.version += 1
            yield from coordinator.abandon(now, job)  # it would say that sources have ended which have only stopped
            yield from tell_running(job, StopSources(job.id, job.epoch))
            yield JobChanged(job.name, job.state)

    def _set_paused(self, job: JobRun | None, *, paused: bool) -> Iterable[Instruction]:
        """Pause or resume. A run that is not RUNNING yet is told just before its sources start.

        Sources that are held at a savepoint read on if it fails (``checkpoint_coordinator``), not before.
        """
        if job is None or not job.goes_on or job.paused is paused:
            return
        job.paused = paused
        job.version += 1
        if job.state is JobState.RUNNING and not (job.cuts.holds_sources and not paused):
            order = PauseSources if paused else ResumeSources
            yield from tell_running(job, order(job.id, job.epoch))
        yield JobChanged(job.name, job.state)


def _waiting(job: JobRun) -> JobRun | None:
    """The run that begins when ``job`` has ended, unless it was withdrawn."""
    return job.successor if job.successor is not None and not job.successor.state.terminal else None


def _goes_on_from(job: JobRun, running: JobRun) -> bool:
    """True if the cut from which ``job`` begins has rows of ``running`` before it: its output is inherited."""
    cut = job.request.start_from
    return cut is not None and running.id in (cut.run, *(before.run for before in cut.lineage))
