"""What people are told: the sentence that answers a command, and the failures of refused commands and of runs that end.

Each failure ends with something to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from sabotnb.errors import AgentLost, CheckpointError, JobCanceled, JobReplaced, SinkError
from sabotnb.execution.job_run import JobRun
from sabotnb.execution.loss_messages import cause
from sabotnb.execution.placement import SlotRequest
from sabotnb.execution.run_cuts import PendingCut
from sabotnb.execution.slots import SlotStatistics
from sabotnb.execution.transitions import ENDING
from sabotnb.protocol import (
    Attempt,
    Cancel,
    CutKind,
    DropResults,
    Fail,
    Failure,
    JobRequest,
    JobState,
    Pause,
    Resume,
    RunCommand,
    Stop,
    StoredCut,
    failure,
)


def unexplained(attempt: Attempt) -> Failure:
    """A task failed without saying why."""
    return Failure("ProtocolError", f"task {attempt} failed without a reason; see the worker's log")


def no_such_job(name: str, jobs: Iterable[str]) -> Failure:
    """A command for a job that is not known."""
    known = ", ".join(repr(job) for job in jobs) or "none"
    return Failure("JobError", f"no job {name!r} on this cluster; there are: {known}. sb.jobs() lists them")


def name_held(job: JobRun) -> Failure:
    """Another session's job has this name."""
    return Failure(
        "JobNameTaken",
        f"job {job.name!r} is {job.state.value} and belongs to another session: "
        f"sb.attach({job.name!r}) to watch it, sb.attach({job.name!r}).cancel() to end it, or choose another name",
    )


def output_taken(writer: JobRun, folder: str) -> Failure:
    """Another job writes into the folder."""
    return Failure(SinkError.__name__, failure.output_taken(writer.name, folder))


def replaced(name: str) -> Failure:
    """A newer run of this name took over."""
    return Failure(JobReplaced.__name__, f"job {name!r} was replaced by a newer run: sb.attach({name!r})")


def commit_impossible(job: JobRun, cause: str) -> Failure:
    """A run has output that is complete, at its end or up to a stored cut, but no agent is left to commit it."""
    if job.cuts.commits:
        return Failure(AgentLost.__name__, _uncommitted_cuts(job, cause))
    return Failure(
        AgentLost.__name__,
        f"job {job.name!r} wrote all rows, but they may be committed in part only: {cause}. Files that it replaces may "
        "still be there, and a job that appends would add rows twice. When env.slots() lists an agent, look into the "
        "output folder and run the job again.",
    )


def _uncommitted_cuts(job: JobRun, cause: str) -> str:
    first, last = job.cuts.commits[0].cut, job.cuts.commits[-1].cut
    named = f"checkpoint {first}" if first == last else f"checkpoints {first} to {last}"
    older = [stored.cut for stored in job.cuts.kept if stored.cut < first]
    then = (
        f"When env.slots() lists an agent, write these rows again: .run({job.name!r}, start_from={older[-1]})"
        if older
        else "Look into the output folder, then run the job again from its beginning: .run(..., fresh=True)"
    )
    return f"the output of {named} of job {job.name!r} may be committed in part only: {cause}. {then}"


def cut_overdue(job: JobRun, pending: PendingCut) -> Failure:
    """A checkpoint was not complete in time."""
    missing = sorted(map(str, pending.missing))
    others = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    seconds = job.request.checkpoint.timeout if job.request.checkpoint is not None else 0
    return Failure(
        CheckpointError.__name__,
        f"checkpoint {pending.cut.id} was not complete after {seconds:g} s; it waited for "
        f"{', '.join(missing[:3])}{others}. The job goes on. If these tasks are busy, give it more of them with "
        f".run(parallelism=...), or more time: .run(checkpoint=sb.checkpoint(timeout='{2 * seconds:g}s'))",
    )


def no_savepoint(job: JobRun) -> Failure:
    """A run ended, or starts again, before the savepoint that a client asked for was complete."""
    if job.state is JobState.RESTARTING:
        then = f"it lost a worker and starts again. When it is RUNNING, ask again: {_ask_again(job)}"
    else:
        then = f"it ends ({job.state.value}{', stopping' if job.stopping else ''}). sb.jobs() shows how it ended"
    return Failure(CheckpointError.__name__, f"job {job.name!r} took no savepoint: {then}")


def cannot_take_savepoint(job: JobRun) -> Failure:
    """A savepoint was asked for of a run that can take none now."""
    if job.request.checkpoint is None:
        return Failure(
            CheckpointError.__name__,
            f"job {job.name!r} takes no checkpoints, and so no savepoints. If all of its sources can be read again, "
            f"run it with checkpoints: .run({job.name!r}, checkpoint=sb.checkpoint('60s'))",
        )
    if job.goes_on:
        state, then = job.state.value, f"When it is RUNNING, ask again: {_ask_again(job)}"
    else:
        state, then = "stopping" if job.stopping and not job.state.terminal else job.state.value, _last_savepoint(job)
    return Failure(CheckpointError.__name__, f"job {job.name!r} is {state} and takes no savepoint. {then}")


def _last_savepoint(job: JobRun) -> str:
    """Say which savepoint a run that has ended, or is ending, has taken."""
    last = next((cut for cut in reversed(job.cuts.shown) if cut.kind is CutKind.SAVEPOINT), None)
    if last is None:
        return "It took none before; sb.jobs() shows how it ends"
    called = f" {last.name!r}" if last.name else ""
    return f"Its last one is savepoint {last.cut}{called}: .run({job.name!r}, start_from={last.cut})"


def _ask_again(job: JobRun) -> str:
    return f"sb.attach({job.name!r}).savepoint()"


def went_back(failure: Failure, cut: int, older: StoredCut | None) -> str:
    """A run goes on from an older checkpoint, as the last one cannot be read."""
    where = f"checkpoint {older.cut}" if older is not None else "the beginning"
    return f"checkpoint {cut} could not be read: {cause(failure)}; went on from {where}"


def storage_unreachable(job: JobRun, failure: Failure, attempts: int) -> Failure:
    """A run cannot read the cut from which it begins, which may be whole."""
    cut = job.cuts.base
    number = cut.cut if cut is not None else None
    where = f".run({job.name!r}, start_from={number})" if cut is not None and cut.run.job == job.name else ".run(...)"
    message = (
        f"{cause(failure)}. The job tried {attempts} times to begin from checkpoint {number}, which is kept. When the "
        f"storage can be read again: {where}"
    )
    return replace(failure, message=message)


def stopped_at(cut: StoredCut) -> str:
    """A run that had to start again while it was being stopped has stopped at its last cut."""
    return f"started again before it had stopped, and stopped at checkpoint {cut.cut}: later rows are not written"


def savepoint_kept(job: JobRun, savepoint: PendingCut) -> str:
    """A run was stopped with a savepoint."""
    name = savepoint.savepoint.name if savepoint.savepoint is not None else ""
    called = f" {name!r}" if name else ""
    number = savepoint.cut.id
    return f"stopped at savepoint {number}{called}. A new run begins there: .run({job.name!r}, start_from={number})"


def state_without_operator(name: str, cut: StoredCut, operators: Sequence[str], drop: Sequence[str]) -> Failure:
    """A run is to begin from a cut with the state of operators that it does not have."""
    named = " and ".join(map(repr, operators))
    return Failure(
        CheckpointError.__name__,
        f"job {name!r} has no operator {named}, whose state {_named(cut)} has. Give the operator the same name with "
        f".named(...), or drop its state: .run(drop_state={[*drop, *operators]!r})",
    )


def other_meaning(name: str, cut: StoredCut, changes: Mapping[str, str], drop: Sequence[str]) -> Failure:
    """A run is to begin from a cut with operators that would take its state for something else."""
    listed = ", and ".join(f"operator {operator!r} {change}" for operator, change in changes.items())
    return Failure(
        CheckpointError.__name__,
        f"{listed}: its state in {_named(cut)} does not fit. Change it back, begin from nothing "
        f"(.run({name!r}, fresh=True)), or drop the state: .run(..., drop_state={[*drop, *changes]!r})",
    )


def added_above_ended(name: str, operators: Sequence[str]) -> Failure:
    """A run has operators that may send rows to operators whose input had ended in its cut."""
    named = " and ".join(map(repr, operators))
    return Failure(
        CheckpointError.__name__,
        f"job {name!r} puts {named} above operators that had read all of their input at the savepoint, and take no "
        f"more. Leave {named} out, or begin without saved state: .run({name!r}, fresh=True)",
    )


def other_key_groups(name: str, groups: int, cut: StoredCut) -> Failure:
    """A run is to begin from a cut whose keys are in another number of groups."""
    return Failure(
        CheckpointError.__name__,
        f"job {name!r} has {groups} key groups, and {_named(cut)} has {cut.groups}: "
        f"set SABOTNB_KEY_GROUPS={cut.groups}",
    )


def left_behind(cut: StoredCut) -> Failure:
    """A run is to begin from a cut that its job went back behind: its output up to there is replaced."""
    return Failure(
        CheckpointError.__name__,
        f"{_named(cut)} cannot be used: the job went back to an earlier one, and its output after that was replaced. "
        f"Begin from one that is usable: sb.attach({cut.run.job!r}).checkpoints()",
    )


def _named(cut: StoredCut) -> str:
    return f"{cut.title} of {cut.run.job!r}"


def still_runs(job: JobRun) -> Failure:
    """A run is to be resumed while a run of its name goes on."""
    return Failure(
        "JobNameTaken", f"job {job.name!r} is {job.state.value} on this cluster: sb.attach({job.name!r}) to watch it"
    )


def session_gone(name: str) -> Failure:
    """The only session that could take the job's rows is gone."""
    return Failure(
        JobCanceled.__name__,
        f"job {name!r} was canceled: the session that was to take its rows is gone. Write to files, or run it again in "
        "a session that stays",
    )


def missing_slots(requests: Sequence[SlotRequest], slots: SlotStatistics) -> str:
    """Say how many slots are needed, how many are free, and who holds the others."""
    held = ", ".join(f"job {name!r} holds {count}" for name, count in slots.holders.items())
    return f"needs {_wanted(requests)}, {slots.free} free" + (f" ({held})" if held else "")


def _wanted(requests: Sequence[SlotRequest]) -> str:
    tags = _tags(requests)
    slots = f"{len(requests)} slot{'s' * (len(requests) > 1)}"
    some = "" if all(need.tags for need in requests) else ", some"
    return slots + (f"{some} on agents tagged {', '.join(tags)}" if tags else "")


def _tags(requests: Sequence[SlotRequest]) -> list[str]:
    return sorted(frozenset().union(*(need.tags for need in requests)))


def too_few_slots(request: JobRequest, requests: Sequence[SlotRequest], slots: SlotStatistics) -> Failure:
    """The cluster cannot run the job even when nothing else runs."""
    if not slots.nodes:
        no_agents = "no agents are registered, all are gone or not ready yet: env.scale(2)"
        return Failure("InsufficientSlots", f"job {request.name!r}: {no_agents}")
    tags = _tags(requests)
    if tags and len(requests) <= slots.total:
        return Failure(
            "InsufficientSlots",
            f"job {request.name!r} needs {_wanted(requests)}, and too few agents are: "
            f"`dask worker --resources {tags[0]}=1` starts one, or leave tags out of .named(...)",
        )
    fits = max(1, slots.total // max(1, len({need.sharing_group for need in requests})))
    agents = max(slots.nodes + 1, -(-len(requests) * slots.nodes // max(1, slots.total)))
    return Failure(
        "InsufficientSlots",
        f"job {request.name!r} {missing_slots(requests, slots)} and the cluster has only {slots.total} "
        f"on {slots.nodes} agents: env.scale({agents}) or .run(parallelism={fits}), and no more in any .named(...)",
    )


HAS_ENDED = {
    JobState.FINISHED: "has already FINISHED",
    JobState.FAILED: "has already FAILED",
    JobState.CANCELED: "was already CANCELED",
}


def sentence_of(command: RunCommand, name: str, job: JobRun | None) -> str:
    """Return the answer to ``command``.

    ``job`` is the run that the command means, in its state before the command; None if it was dropped long ago.
    """
    verb = type(command).__name__.lower()
    if isinstance(command, DropResults):
        return f"the results of {name} are dropped"
    if job is None or is_replaced(job):
        return f"{name} was replaced by a newer run: sb.attach({name!r})"
    if job.state in HAS_ENDED:
        return f"{name} {HAS_ENDED[job.state]}: nothing to {verb}"
    if job.state is JobState.COMMITTING and isinstance(command, Cancel | Stop):
        return _commits(job, verb)
    if job.state in ENDING:
        return f"{name} is {job.state.value}: nothing to {verb}"
    return SENTENCES[type(command)](job)


def is_replaced(job: JobRun) -> bool:
    """True for a run that was ended because a newer run has its name."""
    return job.failure is not None and job.failure.error == JobReplaced.__name__


def _commits(job: JobRun, verb: str) -> str:
    if job.committer is not None:
        waits = f"{job.committer} commits its output"
    elif job.over():
        waits = "it waits for an agent to commit its output"
    else:
        waits = "its tasks end at the savepoint"
    return f"{job.name} is COMMITTING, too late to {verb}: all rows are written, and {waits}"


def _cancel(job: JobRun) -> str:
    since = " after its last checkpoint" if job.cuts.kept else ""
    return f"{job.name} is being canceled" + (f"; what it wrote{since} is removed" if job.request.commits else "")


def _stop(job: JobRun) -> str:
    if job.state is JobState.PENDING:
        return f"{job.name} had not started and is canceled"
    if job.stopping:
        return f"{job.name} is already stopping"
    if job.state is JobState.RESTARTING and job.next_base is not None:
        return f"{job.name} is starting again, and stops at checkpoint {job.next_base.cut}"
    if job.state is JobState.RESTARTING:
        return f"{job.name} was about to start again from the beginning and is canceled"
    then = ", then committed" if job.request.commits else ""
    return f"{job.name} is stopping: rows already read are processed{then}"


def _pause(job: JobRun) -> str:
    if job.stopping:
        return f"{job.name} is stopping: nothing to pause"
    if job.paused:
        return f"{job.name} is already paused"
    begun = job.state is JobState.RUNNING
    return f"{job.name} is paused" + ("" if begun else ": it will not read when it starts")


def _resume(job: JobRun) -> str:
    return f"{job.name} resumed" if job.paused else f"{job.name} is not paused: nothing to resume"


def _fail(job: JobRun) -> str:
    return f"{job.name} is failing"


SENTENCES: Mapping[type[RunCommand], Callable[[JobRun], str]] = {
    Cancel: _cancel,
    Stop: _stop,
    Pause: _pause,
    Resume: _resume,
    Fail: _fail,
}
