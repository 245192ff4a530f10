"""Instructions, which the machine returns, and the commands for agents in them, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sabotnb.protocol.checkpoints import StoredCut, TaskRestore
from sabotnb.protocol.client_commands import Reply
from sabotnb.protocol.elements import Cut
from sabotnb.protocol.events import AgentInfo, TimerEvent
from sabotnb.protocol.ids import Attempt, ChannelEnd, LineageCut, RunId
from sabotnb.protocol.job_states import JobState
from sabotnb.protocol.operator import Committable
from sabotnb.protocol.source import Split, SplitsLeft


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the tasks of a run are: by vertex the agent of each task index, and how to reach those agents.

    ``attempts`` are the numbers of their attempts, by vertex and task index as in ``tasks``.
    """

    tasks: Mapping[str, tuple[str, ...]]
    attempts: Mapping[str, tuple[int, ...]]
    agents: Mapping[str, AgentInfo]

    def end(self, vertex: str, index: int) -> ChannelEnd:
        """Return a task as the end of its channels."""
        return ChannelEnd(index, self.attempts[vertex][index])


@dataclass(frozen=True, slots=True)
class AssignSplits:
    """Splits for one source task, in the order in which it reads them, and what is left behind them."""

    attempt: Attempt
    splits: tuple[Split, ...]
    left: SplitsLeft

    @property
    def run(self) -> RunId:
        """The run that the task belongs to."""
        return self.attempt.run


@dataclass(frozen=True, slots=True)
class RaiseBound:
    """Splits of ``vertex`` were handed out, which raised the bound of those that are left."""

    run: RunId
    epoch: int
    vertex: str
    left: SplitsLeft


@dataclass(frozen=True, slots=True)
class Deployment:
    """Everything that one agent needs to run its tasks of one run: the graph, the placement and its own attempts.

    ``splits`` are those with which its source tasks begin. ``restores`` are what tasks are restored from; a run without
    a stored cut has none. ``storage`` is where the files of checkpoints are; None if the run takes none. The cuts in
    ``lineage`` lead to this epoch, as in ``StoredCut``.
    """

    run: RunId
    epoch: int
    execution: Mapping[str, Any]
    placement: Placement
    attempts: tuple[Attempt, ...]
    splits: tuple[AssignSplits, ...] = ()
    restores: Mapping[Attempt, TaskRestore] = field(default_factory=dict)
    storage: str | None = None
    lineage: tuple[LineageCut, ...] = ()


@dataclass(frozen=True, slots=True)
class Deploy:
    """Start tasks: they open and report RUNNING, but their sources read nothing before ``StartSources``."""

    agent: str
    deployment: Deployment


@dataclass(frozen=True, slots=True)
class StartSources:
    """All tasks of the job are RUNNING: its sources may read."""

    run: RunId
    epoch: int


@dataclass(frozen=True, slots=True)
class CancelTasks:
    """End the job's tasks at once and report CANCELED for each."""

    run: RunId
    epoch: int


@dataclass(frozen=True, slots=True)
class StopSources:
    """End the sources now; rows already read are processed."""

    run: RunId
    epoch: int


@dataclass(frozen=True, slots=True)
class PauseSources:
    """Let sources read nothing until ``ResumeSources``; everything else continues, including cuts and timers."""

    run: RunId
    epoch: int


@dataclass(frozen=True, slots=True)
class ResumeSources:
    """Let paused sources continue at their positions."""

    run: RunId
    epoch: int


@dataclass(frozen=True, slots=True)
class TakeCut:
    """Let the sources of a run take ``cut`` between two polls, and tasks whose inputs have ended as soon as they can.

    With ``hold`` the sources read nothing after it until ``ResumeSources``.
    """

    run: RunId
    epoch: int
    cut: Cut
    hold: bool = False


@dataclass(frozen=True, slots=True)
class CutStored:
    """A cut is stored: tasks need not repeat the committables that they acknowledged it with, nor older ones."""

    run: RunId
    epoch: int
    cut: int


@dataclass(frozen=True, slots=True)
class EndRun:
    """The run has ended, its output is committed or aborted: drop functions and tables, keep results for clients."""

    run: RunId


@dataclass(frozen=True, slots=True)
class DropRun:
    """The run has ended and its results are not needed: drop results, functions and channels."""

    run: RunId


@dataclass(frozen=True, slots=True)
class Fence:
    """``agent`` was declared lost: its process drops every task and registers again under a new id.

    Every late heartbeat is answered, so a second ``Fence`` may arrive after the process has its new id. The process
    ignores it, because ``agent`` is the old id.
    """

    agent: str


Command = (
    StartSources
    | AssignSplits
    | RaiseBound
    | CancelTasks
    | StopSources
    | PauseSources
    | ResumeSources
    | TakeCut
    | CutStored
    | EndRun
    | DropRun
    | Fence
)


@dataclass(frozen=True, slots=True)
class Tell:
    """Send a command to an agent."""

    agent: str
    command: Command


@dataclass(frozen=True, slots=True)
class Commit:
    """Commit or abort (``action``) a run's output; the agent runs its sinks' committers in a thread.

    A bounded run that goes on from the cut of another one has its output checked first (``check``).
    With ``cut``, the run goes on: only the output that was prepared up to that stored cut becomes visible.
    ``lineage`` are the cuts that lead to this epoch, as in ``StoredCut``: what was committed after them is replaced. An
    abort with ``saves`` first saves the output that could not be committed. What is ``kept`` stays prepared for a run
    that goes on from the last stored cut, when the run is aborted or its savepoint cannot be committed.
    """

    agent: str
    run: RunId
    epoch: int
    action: str
    execution: Mapping[str, Any]
    committables: tuple[Committable, ...]
    cut: int | None = None
    lineage: tuple[LineageCut, ...] = ()
    saves: bool = False
    kept: tuple[Committable, ...] = ()


@dataclass(frozen=True, slots=True)
class Store:
    """Write ``stored`` to the job store, if this process still owns the run; ``Stored`` answers."""

    stored: StoredCut


@dataclass(frozen=True, slots=True)
class GrantEpoch:
    """Record in the job store that ``epoch`` of a run begins, if this process still owns it; ``EpochGranted`` answers.

    While the store does not answer it is asked again, until it does or the run starts again no more.
    """

    run: RunId
    epoch: int


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Feed ``event`` at ``at`` (the clock of ``handle``'s ``now``); replaces a timer of an equal event."""

    event: TimerEvent
    at: float


@dataclass(frozen=True, slots=True)
class JobChanged:
    """The job's state changed: wake the clients that wait for it."""

    job: str
    state: JobState


Instruction = Deploy | Tell | Commit | Store | GrantEpoch | SetTimer | Reply | JobChanged
