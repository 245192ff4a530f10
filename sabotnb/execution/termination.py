"""How runs end or start again: cancel, failure, commit and abort of their output, and the deadlines of commits.

Theory of operation
-------------------
The output of a bounded run becomes visible completely or not at all; that of an endless run with checkpoints cut by
cut (``commit_next``), and the rest at its end as described here. Sinks write under temporary names and report
*committables* with their tasks' FINISHED. Nothing is visible until an agent, the *committer*, commits all of them::

    last task FINISHED    --> COMMITTING --commit--> FINISHED
                                  |  commit raised --> FAILING --abort--> FAILED
                                  |  no committer left --> FAILING -----> FAILED   (no abort, see below)
    last task ended while CANCELING / FAILING --abort--> CANCELED / FAILED

**Kept output.** A run with stored cuts that fails or is canceled keeps what it has prepared up to the last one
(``Commit.kept``): a run that begins from there commits it. The abort removes what is after it.

**Inherited output.** A run that begins from the cut of another one commits what that one had prepared up to the cut and
had perhaps not committed: an endless run before its sources start, a bounded run at its end. The latter has it checked
before its sources start (``check``), so a run that cannot commit it ends before it has read a row. So does a run whose
inherited output was replaced since, also if all of it was committed.

**Order.** ``fail``, ``cancel`` and ``end_at_savepoint`` only tell tasks to end. ``wind_up`` runs after every report and
acts once no task of the run is left: an abort must not race with a task that still writes. A run without committable
output (``commits`` is False) skips both steps.

**What runs wait for.** A run in a state of ``transitions.ENDING`` waits for its tasks, then for the answer of the job
store, then for its committer, or for an agent that may be one. A run that is RESTARTING waits for no committer: its
next epoch commits the last stored cut again before it reads, whatever becomes of a commit that is under way.

**Commit is the point of no return.** From COMMITTING on, neither a client nor a failing task can end the run: part of
the output may be visible already.

**Lost committers.** Commit and abort are idempotent, so an agent that is lost on the way is replaced by any other one;
``committed`` accepts an answer only from the agent that was asked last, for the action asked for last. An agent that
dies may have died of the commit itself (memory, a crashing file system client), hence ``MOST_COMMITTERS``.

**Deadlines.** If no agent is left, complete output waits ``commit_wait_seconds`` for an agent to join; ``machine`` asks
it in that case. After the deadline, or after ``MOST_COMMITTERS``, the run is FAILED *without* an abort: an earlier
committer may have made part of the output visible, and removing it could destroy rows that cannot be produced again.
An abort waits as long. Without an agent, temporary files stay until the next run that writes there removes them.

**End.** ``_end`` is the only way out of a run: it frees the slots, tells the agents, and lets a successor or pending
runs begin.
"""

from __future__ import annotations

from collections.abc import Iterable

from sabotnb.config import Config
from sabotnb.errors import StaleMessage
from sabotnb.execution import checkpoint_coordinator as coordinator
from sabotnb.execution import loss_messages, replies
from sabotnb.execution.cluster_state import ClusterState
from sabotnb.execution.committables import without
from sabotnb.execution.job_run import JobRun
from sabotnb.execution.restarting import explained_end, recorded_loss, restart_time
from sabotnb.execution.run_cuts import PendingCut
from sabotnb.execution.scheduling import Scheduling
from sabotnb.execution.starting import start
from sabotnb.execution.transitions import BEGUN, DEPLOYED, ENDING
from sabotnb.protocol import (
    CancelTasks,
    Commit,
    CommitOverdue,
    Committed,
    EndRun,
    EpochGranted,
    Failure,
    GrantEpoch,
    Instruction,
    JobChanged,
    JobState,
    RestartDue,
    RestartOverdue,
    RunTakenOver,
    SetTimer,
    TaskState,
    Tell,
)

LATE_SECONDS = 1.0
"""A timer that fires this late shows that the scheduler was blocked, so agents could not register either."""

MOST_COMMITTERS = 5
"""After losing this many agents to one commit, no further agent is asked."""


class Termination:
    """Ends runs: cancels their tasks, has agents commit or abort their output, and frees their slots."""

    def __init__(self, state: ClusterState, scheduling: Scheduling, config: Config) -> None:
        self._state = state
        self._scheduling = scheduling
        self._commit_wait_seconds = config.commit_wait_seconds
        self._restart_wait_seconds = config.restart_wait_seconds

    def fail(
        self, now: float, job: JobRun, failure: Failure, suspects: frozenset[str] | None = None
    ) -> Iterable[Instruction]:
        """Cancel the remaining tasks, then end the run or start it again (see ``restarting``).

        The first failure that ends a run becomes the job's; a run that is being canceled keeps none. ``suspects`` are
        the operators with functions of the user that a lost worker ran; None if no worker was lost.
        """
        if job.state in DEPLOYED:
            final = recorded_loss(now, job, failure, suspects)
            if final is not None:
                job.failure = final
                yield from self._take_down(now, job, JobState.FAILING)
            elif job.state is not JobState.RESTARTING:
                yield from self._take_down(now, job, JobState.RESTARTING)
                yield GrantEpoch(job.id, job.epoch + 1)  # while its tasks end, so that it costs no time
                job.committer = None  # the next epoch commits the last cut again, whatever becomes of this commit
        elif job.state is JobState.FAILING and suspects is not None:
            job.failure = explained_end(now, job, failure, suspects) or job.failure
        yield from self.wind_up(now, job)

    def end_by(self, now: float, job: JobRun, failure: Failure) -> Iterable[Instruction]:
        """End a run by a ``failure`` that a restart cannot help; does nothing once it is ending or has ended."""
        if job.state in BEGUN:
            job.failure = failure
        if job.state is JobState.PENDING:
            yield from self.cancel(now, job)
        elif job.state in DEPLOYED:
            yield from self._take_down(now, job, JobState.FAILING)
            yield from self.wind_up(now, job)

    def taken_over(self, now: float, event: RunTakenOver) -> Iterable[Instruction]:
        """End a run that another process owns now. It neither commits nor removes output: that is the other's."""
        job = self._state.runs.get(event.run)
        if job is None or job.state.terminal:
            return
        job.output_stays = True
        job.committer = None
        yield from coordinator.drop(now, job, event.failure)
        if job.state in BEGUN:
            yield from self.end_by(now, job, event.failure)
            return
        job.failure = event.failure
        if job.state is JobState.COMMITTING:
            yield from self._take_down(now, job, JobState.FAILING)
        yield from self.wind_up(now, job)

    def cancel(self, now: float, job: JobRun) -> Iterable[Instruction]:
        """Cancel a run; does nothing once it is ending or has ended."""
        if job.state is JobState.PENDING:
            job.move(JobState.CANCELED, now)
            yield from self._end(now, job)
        elif job.state in DEPLOYED:
            yield from self._take_down(now, job, JobState.CANCELING)
            yield from self.wind_up(now, job)  # of a run that waits for slots to start again, no task is left

    def end_at_savepoint(self, now: float, job: JobRun, savepoint: PendingCut) -> Iterable[Instruction]:
        """End a run at ``savepoint``, which is stored, unless it was canceled or has failed meanwhile."""
        if job.state in DEPLOYED:
            job.cuts.at_savepoint = True
            job.note = replies.savepoint_kept(job, savepoint)
            yield from self._take_down(now, job, JobState.COMMITTING)

    def wind_up(self, now: float, job: JobRun) -> Iterable[Instruction]:
        """Commit or abort the output, or start again, if no task of the run is left; otherwise do nothing."""
        if not job.over() or job.committer is not None or job.cuts.storing:
            return
        if job.state is JobState.RUNNING and job.all_in(TaskState.FINISHED):
            yield from self._take_down(now, job, JobState.COMMITTING)
        if job.state is JobState.RESTARTING:
            yield SetTimer(RestartDue(job.id, job.epoch), restart_time(now, job))
        elif job.state in ENDING and job.request.commits and not job.output_stays:
            yield from self.ask_committer(now, job)
        elif job.state in ENDING:
            yield from self._end(now, job)

    def restart_due(self, now: float, event: RestartDue) -> Iterable[Instruction]:
        """Release the slots of a run that starts again, and let it wait for new ones."""
        job = self._restarting(event)
        if job is None or job.granted <= job.epoch:  # else the grant sets the timer again
            return
        self._state.pool.release(job.name)
        job.restart_ready = True
        job.restart_deadline = now + self._commit_wait_seconds
        yield JobChanged(job.name, job.state)
        yield from self._scheduling.place_pending(now)
        yield from self.await_slots(now, job)

    def epoch_granted(self, now: float, event: EpochGranted) -> Iterable[Instruction]:
        """Let a run start again once no other process can begin the same epoch of it."""
        job = self._state.jobs.get(event.run.job)
        waits = job is not None and (job.id, job.epoch + 1) == (event.run, event.epoch)
        if job is None or not waits or job.state is not JobState.RESTARTING:
            raise StaleMessage(f"epoch {event.epoch} of {event.run} is not waited for")
        job.grant_failure = event.failure
        if event.failure is not None:
            job.version += 1
            yield JobChanged(job.name, job.state)
            return
        job.granted = event.epoch
        yield from self.wind_up(now, job)

    def await_slots(self, now: float, job: JobRun) -> Iterable[Instruction]:
        """Let a run that can start again, but for its slots, wait a little for more agents.

        Called for each agent that joins, too: the workers of a machine that comes back join one after the other.
        """
        if job.restart_ready:
            until = min(now + self._restart_wait_seconds, job.restart_deadline)
            yield SetTimer(RestartOverdue(job.id, job.epoch), max(now, until))

    def restart_overdue(self, now: float, event: RestartOverdue) -> Iterable[Instruction]:
        """Let a run that has waited for slots share those there are; without any it fails at its deadline."""
        job = self._restarting(event)
        if job is None:
            return
        yield from self._scheduling.place_shared(now, job)
        if job.state is not JobState.RESTARTING:
            return
        if now < job.restart_deadline:
            yield SetTimer(event, job.restart_deadline)
            return
        missing = replies.missing_slots(job.slot_requests, self._state.pool.statistics())
        failure = loss_messages.no_slots_to_restart(job.losses[-1].failure, missing, self._commit_wait_seconds)
        yield from self.end_by(now, job, failure)

    def _restarting(self, event: RestartDue | RestartOverdue) -> JobRun | None:
        """The run that a timer is about, if it still waits for a restart in that epoch."""
        job = self._state.jobs.get(event.run.job)
        waits = job is not None and (job.id, job.epoch) == (event.run, event.epoch)
        return job if waits and job is not None and job.state is JobState.RESTARTING else None

    def commit_next(self, now: float, job: JobRun) -> Iterable[Instruction]:
        """Have the output of the next stored cut committed, unless that of another is, or the next epoch does it."""
        if job.cuts.commits and job.committer is None and job.state is not JobState.RESTARTING:
            yield from self.ask_committer(now, job)

    def ask_committer(self, now: float, job: JobRun) -> Iterable[Instruction]:
        """Ask an agent to commit the next cut, if there is one, or else to commit or abort all output of the run.

        Agents that ran its tasks, and have its graph, come first. Without any agent, it waits for one until a deadline.
        """
        agents = self._state.agents
        candidates = [*(agent for agent in job.used_agents() if agent in agents), *agents]
        job.committer = candidates[0] if candidates else None
        if job.committer is not None:
            yield _commit(job, job.committer)
        else:
            job.commit_deadline = now + self._commit_wait_seconds
            yield SetTimer(CommitOverdue(job.id), job.commit_deadline)

    def lose_committer(self, now: float, job: JobRun) -> Iterable[Instruction]:
        """The committer of ``job`` is lost: ask another agent, unless too many were lost already."""
        job.lost_committers += 1
        job.committer = None
        if job.lost_committers >= MOST_COMMITTERS:
            cause = f"{job.lost_committers} workers were lost while they committed it"
            yield from self._go_without_committer(now, job, cause)
        elif self._state.agents:
            yield from self.ask_committer(now, job)
        else:  # no task of it is left either
            yield from self.wind_up(now, job)

    def overdue(self, now: float, event: CommitOverdue) -> Iterable[Instruction]:
        """The deadline of a commit or an abort has passed: end the run that still waits for an agent."""
        for job in list(self._state.jobs.values()):
            if job.id != event.run or not job.awaits_committer:
                continue
            if now > job.commit_deadline + LATE_SECONDS:  # grant another full wait
                yield from self.ask_committer(now, job)
            else:
                cause = f"the last worker was lost, and none joined within {self._commit_wait_seconds:g} s"
                yield from self._go_without_committer(now, job, cause)

    def committed(self, now: float, event: Committed) -> Iterable[Instruction]:
        """An agent has committed or aborted a run's output, or failed to commit it."""
        job = self._state.jobs.get(event.run.job)
        asked = job is not None and (job.id, job.epoch, job.committer) == (event.run, event.epoch, event.agent)
        if job is None or not asked or (event.action, event.cut) != _asked(job):
            about = f"{event.action} of {event.run}, epoch {event.epoch}"
            raise StaleMessage(f"{event.agent} reports {about}, which is over")
        if event.cut is not None:
            yield from self._cut_committed(now, job, event.failure)
        elif event.action == "abort":
            job.explain(event.saved)
            yield from self._end(now, job)
        elif event.failure is not None:
            job.failure = event.failure
            job.committer = None  # else wind_up would wait for this agent's answer
            yield from self._take_down(now, job, JobState.FAILING)
            yield from self.wind_up(now, job)
        else:
            yield from self._end(now, job)

    def _cut_committed(self, now: float, job: JobRun, failure: Failure | None) -> Iterable[Instruction]:
        cut = job.cuts.commits.popleft()
        job.committer, job.lost_committers = None, 0
        if failure is None:
            if job.commits_cuts:
                job.committables = without(job.committables, cut.committables)
            yield from start(now, job)
        elif cut.run != job.id:  # the run cannot begin; the output is not its own, so nothing of it is saved
            yield from self.end_by(now, job, failure)
        else:
            yield from self._fail_commit(now, job, failure)
        yield from self.commit_next(now, job)
        yield from self.wind_up(now, job)

    def _fail_commit(self, now: float, job: JobRun, failure: Failure) -> Iterable[Instruction]:
        """Output of a stored cut is not committed, so the run ends."""
        job.commit_failed = True
        if job.failure is None and job.state is not JobState.CANCELING:
            job.failure = failure
        else:
            job.explain(failure.message)
        if job.state is JobState.COMMITTING or job.state in DEPLOYED:
            yield from self._take_down(now, job, JobState.FAILING)

    def _take_down(self, now: float, job: JobRun, state: JobState) -> Iterable[Instruction]:
        """Let a run end its tasks, if it has some, and with them the cut in progress."""
        job.move(state, now)
        yield from coordinator.abandon(now, job)
        yield JobChanged(job.name, job.state)
        yield from self._cancel_tasks(job)

    def _cancel_tasks(self, job: JobRun) -> Iterable[Instruction]:
        agents = job.agents()  # taken before the moves below
        for task in job.tasks.values():
            if task.state in (TaskState.DEPLOYING, TaskState.RUNNING):
                job.move_task(task, TaskState.CANCELING)
        yield from (Tell(agent, CancelTasks(job.id, job.epoch)) for agent in agents)

    def _go_without_committer(self, now: float, job: JobRun, cause: str) -> Iterable[Instruction]:
        """No agent commits or aborts the output of ``job``: what is prepared stays as it is, and the run ends."""
        job.output_stays = True
        if job.state is JobState.COMMITTING or job.cuts.commits:
            failure = replies.commit_impossible(job, cause)
            job.cuts.commits.clear()
            yield from self._fail_commit(now, job, failure)
        yield from self.wind_up(now, job)

    def _end(self, now: float, job: JobRun) -> Iterable[Instruction]:
        """End a run of which nothing is left to be done."""
        if job.state in ENDING:
            job.move(ENDING[job.state], now)
        if job.cuts.at_savepoint:
            job.count_to_savepoint()
        job.committer = None
        loss_messages.say_kept(job)
        self._state.pool.release(job.name)  # by name, so before a successor of that name may take slots
        yield JobChanged(job.name, job.state)
        yield from self._state.tell_used(job, EndRun(job.id))
        if job.successor is not None:
            yield from self._scheduling.begin(now, job.successor)
        else:
            yield from self._scheduling.place_pending(now)


def _asked(job: JobRun) -> tuple[str, int | None]:
    """The action asked of the committer, and its cut. A run that is not COMMITTING loses the rest of its output."""
    if job.cuts.commits:
        return "commit" if job.commits_cuts else "check", job.cuts.commits[0].cut
    return "commit" if job.state is JobState.COMMITTING else "abort", None


def _commit(job: JobRun, agent: str) -> Commit:
    action, cut = _asked(job)
    committables = job.uncommitted()
    if cut is not None:  # what is new in it: its output that an earlier cut had too is committed
        stored = job.cuts.commits[0].committables
        committables = without(stored, without(stored, committables))
    stays = cut is None and (action == "abort" or job.cuts.at_savepoint)
    kept = tuple(job.kept_output()) if stays else ()
    return Commit(
        agent,
        job.id,
        job.epoch,
        action,
        job.request.execution,
        tuple(committables),
        cut,
        job.lineage,
        saves=job.commit_failed and action == "abort" and not kept,
        kept=kept,
    )
