"""Takes savepoints on command, and refuses runs that cannot begin from the cut that they name."""

from __future__ import annotations

from collections.abc import Iterable

from sabotnb.execution import checkpoint_coordinator as coordinator
from sabotnb.execution import replies
from sabotnb.execution.job_run import JobRun
from sabotnb.execution.restoring import above_ended, stateful_operators
from sabotnb.execution.run_cuts import SavepointRequest
from sabotnb.protocol import (
    Failure,
    Instruction,
    JobRequest,
    JobState,
    Reply,
    Stop,
    StoredCut,
    TakeSavepoint,
    changed_meaning,
)


def take_savepoint(now: float, job: JobRun, command: TakeSavepoint | Stop) -> Iterable[Instruction]:
    """Begin a savepoint, after the cut in progress if there is one; the reply comes when it is stored."""
    stop = isinstance(command, Stop)
    name = command.savepoint or "" if isinstance(command, Stop) else command.name
    if job.state is not JobState.RUNNING or not job.goes_on or job.request.checkpoint is None:
        yield Reply(command.id, failure=replies.cannot_take_savepoint(job))
        return
    job.cuts.wanted.append(SavepointRequest(command.id, name, stop))
    yield from coordinator.next_cut(now, job)


def start_refusal(request: JobRequest) -> Failure | None:
    """The reason that a run cannot begin from the cut that it names; None if it can."""
    cut, topology = request.start_from, request.topology
    if cut is None:
        return None
    known = {operator for vertex in topology.vertices.values() for operator in vertex.operator_ids}
    missing = [name for name in stateful_operators(cut) if name not in known and name not in request.drop_state]
    if missing:
        return replies.state_without_operator(request.name, cut, missing, request.drop_state)
    if changed := _changed_meanings(request, cut):
        return replies.other_meaning(request.name, cut, changed, request.drop_state)
    if added := above_ended(cut, topology):
        return replies.added_above_ended(request.name, added)
    groups = max(map(len, topology.tables.values()), default=0)
    if groups and cut.groups and groups != cut.groups:
        return replies.other_key_groups(request.name, groups, cut)
    return None


def left_behind(cut: StoredCut | None, job: JobRun | None) -> Failure | None:
    """The reason that no run can begin from ``cut`` of ``job``: the job went back behind it; None if it did not."""
    if cut is None or job is None or not job.cuts.left(cut.epoch, cut.cut):
        return None
    return replies.left_behind(cut)


def _changed_meanings(request: JobRequest, cut: StoredCut) -> dict[str, str]:
    """By operator, why it cannot go on with the state of its name in ``cut``."""
    names = [name for name in request.meanings if name in cut.meanings and name not in request.drop_state]
    changes = {name: changed_meaning(cut.meanings[name], request.meanings[name]) for name in names}
    return {name: change for name, change in changes.items() if change}
