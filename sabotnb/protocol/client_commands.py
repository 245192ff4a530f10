"""Commands of clients and the replies to them, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sabotnb.protocol.checkpoints import CheckpointPolicy, StoredCut
from sabotnb.protocol.failure import Failure
from sabotnb.protocol.ids import RunId, RunRef
from sabotnb.protocol.job_states import JobState
from sabotnb.protocol.job_topology import JobTopology
from sabotnb.protocol.source import Split
from sabotnb.protocol.state_meaning import StateMeaning


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job as submitted; made by ``execution.job_request``.

    ``execution`` is an ``ExecutionGraph`` as plain data, opaque to the control plane, which reads ``topology``.
    ``splits`` of each source vertex were discovered by the client; ``owner`` is the session, for name checks;
    ``fingerprint`` of the job graph decides between attach and replace; ``commits``: some sink has a committer;
    ``pulled``: only the owner's session can take the rows of some sink, and the job stalls until it does;
    ``restarts``: it begins again when a worker is lost; ``passed_on``: the sinks that forbid it, as a client
    takes their rows for good;
    ``outputs`` are the folders that it writes into, with links resolved, and whether it appends to each;
    ``levels`` are kept for clients that show the job (``plan.load_levels``); empty if nothing shows it;
    ``checkpoint``: when the run takes checkpoints; None if it takes none;
    ``start_from``: a cut, usually of another run, that this run begins from; ``drop_state``: the operators of that cut
    whose state is not needed: those that this run has too begin empty. ``meanings``: what the state of each operator
    means, as in ``StoredCut``.
    """

    name: str
    owner: str
    fingerprint: str
    execution: Mapping[str, Any]
    topology: JobTopology
    commits: bool = True
    pulled: bool = False
    restarts: bool = False
    passed_on: tuple[str, ...] = ()
    outputs: Mapping[str, bool] = field(default_factory=dict)
    splits: Mapping[str, tuple[Split, ...]] = field(default_factory=dict)
    levels: Mapping[str, Any] = field(default_factory=dict)
    placement: str = "round_robin"
    checkpoint: CheckpointPolicy | None = None
    start_from: StoredCut | None = None
    drop_state: tuple[str, ...] = ()
    meanings: Mapping[str, StateMeaning] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Submit:
    """Start a run; the reply's value is ``Submitted``."""

    id: str
    request: JobRequest


@dataclass(frozen=True, slots=True)
class ResumeRun:
    """Start ``run`` again, which ended with its scheduler; the reply's value is ``Submitted``.

    ``epoch`` is greater than those that the run had. ``cuts`` are stored cuts of it, the newest at the end, from which
    it goes on. ``newest`` is the number of the last one that it had: new ones get greater numbers. ``starts`` is
    how often its tasks were deployed before. ``at`` is Unix time, which says how old the cuts are.
    """

    id: str
    request: JobRequest
    run: RunId
    epoch: int
    cuts: tuple[StoredCut, ...] = ()
    newest: int = 0
    starts: int = 0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Cancel:
    """End a run at once and remove its output. By a job's name, the run that waits behind the current one ends too."""

    id: str
    run: RunRef


@dataclass(frozen=True, slots=True)
class Stop:
    """End a run's sources; rows already read are processed and committed.

    With the name of a ``savepoint``, which may be empty, the run ends at that savepoint instead: it emits nothing
    after it, and the reply's value is the ``StoredCut``. If the savepoint fails, the run goes on.
    """

    id: str
    run: RunRef
    savepoint: str | None = None


@dataclass(frozen=True, slots=True)
class TakeSavepoint:
    """Take a savepoint; the reply's value is the ``StoredCut``, as soon as the job store has it."""

    id: str
    run: RunRef
    name: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """Let a run's sources read nothing until ``Resume``."""

    id: str
    run: RunRef


@dataclass(frozen=True, slots=True)
class Resume:
    """Let a paused run's sources continue."""

    id: str
    run: RunRef


@dataclass(frozen=True, slots=True)
class Fail:
    """End a run as FAILED: the client's own code raised ``failure`` with rows of it."""

    id: str
    run: RunId
    failure: Failure


@dataclass(frozen=True, slots=True)
class DropResults:
    """Let agents drop the results of a run that has ended."""

    id: str
    run: RunRef


RunCommand = Cancel | Stop | TakeSavepoint | Pause | Resume | Fail | DropResults
"""A command about a run that exists. Idempotent; the reply's value is ``CommandResult``."""

UserCommand = Submit | ResumeRun | RunCommand
"""A command of a client, answered by the ``Reply`` with its id."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """The answer to ``Submit`` and ``ResumeRun``.

    ``how`` the run follows on others of its name: started, attached, replaced, queued, resumed, continued. One that
    continues from a savepoint of the previous run began to read ``gap`` seconds after that one had stopped to; None if
    it has not begun yet.
    """

    run: RunId
    how: str
    gap: float | None = None


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The answer to a ``RunCommand``: the job's current run and its state after the command.

    ``sentence`` tells a user what happens now, or why there is nothing to do.
    """

    run: RunId
    state: JobState
    sentence: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to the ``UserCommand`` with this id: a value, or the failure with which it is refused."""

    id: str
    value: Submitted | CommandResult | StoredCut | None = None
    failure: Failure | None = None
