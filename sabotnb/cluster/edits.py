"""Edit and continue: lets a changed job go on from the state of the run that it replaces.

Theory of operation
-------------------
The steps are commands that clients could give one by one. They are carried out here, on the scheduler, because a client
that is lost between two of them would leave the job stopped::

    refusal?  --> the reply; the old run was not touched
    Stop with a savepoint          fails --> the reply; the old run goes on.  It has ended: submit as usual
    Submit with ``start_from``     refused --> go back
    wait until the new run is RUNNING      it failed before --> go back
    reply: continued, with the gap

**Going back** submits the old request again, with ``start_from`` the savepoint: a third run with the old code, which
loses no row. Its functions and tables are those that the scheduler had for the old run when it stopped.

**The gap** is the time in which no source reads: from the command that stops the old run until the new one is RUNNING.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

from sabotnb.cluster.blob_store import Blobs
from sabotnb.cluster.change_notifier import ChangeNotifier
from sabotnb.cluster.machine_driver import MachineDriver
from sabotnb.errors import JobError
from sabotnb.execution import JobRun, Machine
from sabotnb.protocol import Failure, JobRequest, JobState, Reply, Stop, StoredCut, Submit, Submitted

PATIENCE_SECONDS = 60.0
"""How long a changed job waits for the old one to be RUNNING, and for slots of its own before ``run`` returns."""

WAIT_SECONDS = 5.0
"""Length of one wait for a change."""

BEGINNING = (JobState.PENDING, JobState.DEPLOYING, JobState.RESTARTING)


class Edits:
    """Carries out edits of running jobs, on the loop of the scheduler."""

    def __init__(self, machine: Machine, driver: MachineDriver, changes: ChangeNotifier) -> None:
        self._machine = machine
        self._driver = driver
        self._changes = changes
        self._loop = asyncio.get_running_loop()

    async def edit(self, request: JobRequest, blobs: Blobs) -> Reply:
        """Submit a job that goes on from the state of the running one of its name, if that takes checkpoints."""
        refused = self._machine.held(request.name, request.owner)
        old = self._machine.continuable(request)
        if refused is None and old is not None:
            refused = self._machine.refusal(request)
        if refused is not None:
            return Reply("", failure=refused)
        if old is None:
            return await self._submit(request, blobs)
        kept = self._driver.blobs(old.id)  # dropped when the run ends
        if old.state is JobState.PENDING:
            return await self._begin(_from_same_cut(request, old), blobs, old.request, kept, self._loop.time())
        await self._wait(old, lambda: old.state not in BEGINNING)
        began = self._loop.time()
        stopped = await self._driver.ask(Stop(uuid4().hex, old.id, ""), {})
        if isinstance(stopped.value, StoredCut):
            again = replace(old.request, start_from=stopped.value, drop_state=())
            return await self._begin(replace(request, start_from=stopped.value), blobs, again, kept, began)
        return _goes_on(stopped, old) if old.goes_on else await self._submit(request, blobs)

    async def _begin(self, request: JobRequest, blobs: Blobs, old: JobRequest, kept: Blobs, began: float) -> Reply:
        """Begin a run of ``request``, or one of ``old`` if that fails."""
        reply = await self._submit(request, blobs)
        if not isinstance(reply.value, Submitted):
            return await self._go_back(old, kept, reply.failure)
        run = self._machine.overview.run(reply.value.run)
        if run is None:
            return reply
        await self._wait(run, lambda: run.started is not None or run.state.terminal)
        if run.state is JobState.FAILED and run.started is None:
            return await self._go_back(old, kept, run.failure)
        gap = run.started - began if run.started is not None else None
        return Reply("", Submitted(run.id, "continued", gap))

    async def _go_back(self, old: JobRequest, kept: Blobs, failure: Failure | None) -> Reply:
        """Begin the old job again, from its savepoint, and return why the new one did not begin."""
        again = await self._submit(old, kept)
        name, cut = old.name, old.start_from
        failure = failure or Failure(JobError.__name__, f"the changed job {name!r} did not begin")
        if again.failure is None:
            then = f"Job {name!r} goes on as it was before the change: sb.attach({name!r})"
        else:
            kept_at = cut.cut if cut is not None else None
            then = f"Job {name!r} is stopped, and its state is kept: .run({name!r}, start_from={kept_at})"
        return Reply("", failure=replace(failure, advice="\n".join(filter(None, (failure.advice, then)))))

    async def _submit(self, request: JobRequest, blobs: Blobs) -> Reply:
        return await self._driver.ask(Submit(uuid4().hex, request), blobs)

    async def _wait(self, run: JobRun, done: Callable[[], bool]) -> None:
        """Wait until ``done``, which is about the state of ``run``; not longer than it may wait for slots."""
        end = self._loop.time() + PATIENCE_SECONDS
        while not done() and (run.state is JobState.DEPLOYING or self._loop.time() < end):
            await self._changes.wait_changed((run.name,), WAIT_SECONDS)


def _goes_on(reply: Reply, old: JobRun) -> Reply:
    """``reply``, the failure of the savepoint that was to stop ``old``, with what that means for the edit."""
    if reply.failure is None:
        return reply
    then = (
        f"Job {old.name!r} goes on as it was before the change. If it cannot save its state where it keeps it, begin "
        f"without: .run({old.name!r}, fresh=True)"
    )
    return replace(reply, failure=replace(reply.failure, advice="\n".join(filter(None, (reply.failure.advice, then)))))


def _from_same_cut(request: JobRequest, old: JobRun) -> JobRequest:
    """``request`` from where ``old``, which has not begun, was to begin."""
    if old.cuts.last is not None:
        return replace(request, start_from=old.cuts.last)
    return replace(
        request, start_from=old.request.start_from, drop_state=(*old.request.drop_state, *request.drop_state)
    )
