"""What follows when an instruction of the machine cannot be carried out: events that end what depended on it."""

from __future__ import annotations

from collections.abc import Sequence

from sabotnb.errors import ProtocolError
from sabotnb.protocol import (
    AgentDown,
    CancelTasks,
    Commit,
    Committed,
    Deploy,
    DropRun,
    EndRun,
    EpochGranted,
    Event,
    Fail,
    Failure,
    Fence,
    GrantEpoch,
    Instruction,
    Reply,
    Store,
    Stored,
    Submitted,
    TaskChanged,
    TaskState,
    Tell,
)


def failure_to_carry_out(instruction: Instruction, defect: Exception) -> Failure:
    """The failure of the job that ``instruction`` belongs to, which raised ``defect``."""
    to = f" to {instruction.agent}" if isinstance(instruction, Deploy | Commit | Tell) else ""
    name = type(instruction.command if isinstance(instruction, Tell) else instruction).__name__
    return Failure(
        ProtocolError.__name__,
        f"the scheduler could not send {name}{to} ({type(defect).__name__}: {defect}): run the job again",
    )


def events_after(instruction: Instruction, failure: Failure) -> Sequence[Event]:
    """The events to feed to the machine instead of the answers that ``instruction`` would have brought.

    Nothing waits for the answer to a timer, a notification or the end of a job, so these have no event.
    """
    events: Sequence[Event] = ()
    match instruction:
        case Deploy(agent, deployment):
            events = [TaskChanged(agent, attempt, TaskState.FAILED, failure) for attempt in deployment.attempts]
        case Commit(agent, run, epoch, action):
            events = [Committed(agent, run, epoch, action, failure, instruction.cut)]
        case Store(stored):
            events = [Stored(stored.run, stored.epoch, stored.cut, failure)]
        case GrantEpoch(run, epoch):
            events = [EpochGranted(run, epoch, failure)]
        case Tell(agent, CancelTasks()):  # an agent that is declared lost is fenced, which ends its tasks
            events = [AgentDown(agent, failure.message)]
        case Tell(_, command) if not isinstance(command, EndRun | DropRun | Fence):
            events = [Fail("", command.run, failure)]
        case Reply(value=Submitted(run)):
            events = [Fail("", run, failure)]
    return events
