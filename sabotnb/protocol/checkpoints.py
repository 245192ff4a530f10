"""Checkpoints as plain data: what a task acknowledges at a cut, what is stored, and what a task is restored from.

A checkpoint is a consistent cut through a run. Each task acknowledges the cut with a ``TaskSnapshot``. All of them
together are a ``StoredCut`` once the job store has it; a restart hands each task its part as a ``TaskRestore``.
``docs/internals/recovery.md`` describes the protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sabotnb.protocol.elements import CutKind
from sabotnb.protocol.ids import LineageCut, RunId, TaskId
from sabotnb.protocol.operator import Committable
from sabotnb.protocol.source import Split
from sabotnb.protocol.state_meaning import StateMeaning

Memo: TypeAlias = Mapping[str, Any]
"""What an operator has to know after a restore beside its states: a few JSON-able values (``Operator.memo``)."""


@dataclass(frozen=True, slots=True)
class CheckpointPolicy:
    """When a run takes checkpoints, and where their files are. Times are in seconds.

    ``storage`` is a folder, or the URL of one, that every agent can write to. A checkpoint that is not complete after
    ``timeout`` is abandoned. ``pause`` is the least time between the end of one and the start of the next.
    """

    interval: float
    storage: str
    timeout: float = 600.0
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class StateFile:
    """A complete file with the states of one task at a cut; ``checksum`` is that of the index at its end."""

    path: str
    nbytes: int
    checksum: int


@dataclass(frozen=True, slots=True)
class SourceState:
    """What the task of a source has read at a cut.

    ``opened`` are the splits that it was handed and has not read completely, each at the position where reading
    continues: after a second restore this may be another than the first, although the task has not begun it.
    ``finished`` are the ids of those that it has read completely in this epoch.
    """

    opened: tuple[Split, ...] = ()
    finished: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CutCounts:
    """What a task had counted at a cut since its run began, in all epochs that lead to the cut.

    The names are those of ``TaskCounters``; ``late_rows`` are by operator, as ``operators``, ``sent_rows`` and
    ``sent_bytes`` by the path of the edge.
    """

    rows_in: int = 0
    rows_out: int = 0
    batches_in: int = 0
    batches_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    bytes_done: int = 0
    ahead: int = 0
    open_windows: int = 0
    waiting_rows: int = 0
    operators: Mapping[str, int] = field(default_factory=dict)
    late_rows: Mapping[str, int] = field(default_factory=dict)
    sent_rows: Mapping[str, int] = field(default_factory=dict)
    sent_bytes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskSnapshot:
    """What a task acknowledges a cut with.

    ``file``: its states; None if it has none. ``memos`` by operator. ``event_times``: the watermark in front of each
    operator, and under an empty id the one that has left the task. ``committables`` are the output up to the cut that
    the task does not know to be stored. A task that had ``ended`` before the cut has its ``counts`` and nothing else.
    ``stateful`` are the operators with states in ``file``; all operators of the task may have some if it is empty. The
    machine adds ``counts``; cuts of earlier versions have none.
    """

    file: StateFile | None = None
    source: SourceState | None = None
    memos: Mapping[str, Memo] = field(default_factory=dict)
    event_times: Mapping[str, int] = field(default_factory=dict)
    committables: tuple[Committable, ...] = ()
    ended: bool = False
    stateful: tuple[str, ...] = ()
    counts: CutCounts = field(default_factory=CutCounts)


@dataclass(frozen=True, slots=True)
class StoredCut:
    """A checkpoint or savepoint: the snapshots of all tasks of a run at one cut. It exists once the store has it.

    ``parallelism`` is by vertex, ``operators`` the ids of each vertex's chain. ``finished`` are the ids of the splits
    that were read completely since the run began, by source vertex; ``committables`` the output up to the cut that is
    not known to be committed. ``lineage`` are the cuts that lead to it, the oldest first: one for each earlier epoch of
    the run, and of the runs that it continues, whose rows are before it. ``at`` is Unix time, ``seconds`` the time from
    its start to its last acknowledgement. ``meanings``: what the state of each operator means, by operator; a cut of an
    earlier version has none.
    """

    run: RunId
    epoch: int
    cut: int
    kind: CutKind
    groups: int
    parallelism: Mapping[str, int]
    operators: Mapping[str, tuple[str, ...]]
    tasks: Mapping[TaskId, TaskSnapshot]
    finished: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    committables: tuple[Committable, ...] = ()
    name: str = ""
    at: float = 0.0
    seconds: float = 0.0
    lineage: tuple[LineageCut, ...] = ()
    meanings: Mapping[str, StateMeaning] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What people call it beside its job: ``checkpoint 7``, ``savepoint 3 'evening'``."""
        return f"{self.kind.value} {self.cut}" + (f" {self.name!r}" if self.name else "")

    @property
    def nbytes(self) -> int:
        """The bytes of its state files."""
        return sum(snapshot.file.nbytes for snapshot in self.tasks.values() if snapshot.file is not None)

    def snapshots(self, vertex: str) -> list[TaskSnapshot]:
        """Return the snapshots of all tasks of a vertex, by index."""
        return [self.tasks[TaskId(self.run, vertex, index)] for index in range(self.parallelism[vertex])]

    def follows(self, run: RunId, epoch: int, cut: int) -> bool:
        """True if what ``epoch`` of ``run`` did up to ``cut`` is before this one."""
        leading = (*self.lineage, LineageCut(self.run, self.epoch, self.cut))
        return any((run, epoch) == (last.run, last.epoch) and cut <= last.cut for last in leading)


@dataclass(frozen=True, slots=True)
class TaskRestore:
    """What one new task begins with: the snapshots of one or more tasks of a stored cut.

    It loads from ``files`` the key groups that are its own. ``memos`` by operator: one of each task that is restored
    here. ``event_times`` as in ``TaskSnapshot``, the smallest of them. A task that had ``ended`` tells only its
    downstream tasks so. The splits that were opened come as the task's first splits.

    The state that ``files`` have of the operators in ``dropped`` is not loaded: these begin empty.

    ``rescaled`` if the parallelism is not that of the cut, or tasks of the vertex that had ended run again. Then every
    task of the vertex gets the ``files`` of all its tasks, in one order: state that belongs to no key group goes to the
    tasks in turn, file by file.
    """

    files: tuple[StateFile, ...] = ()
    memos: Mapping[str, tuple[Memo, ...]] = field(default_factory=dict)
    event_times: Mapping[str, int] = field(default_factory=dict)
    ended: bool = False
    rescaled: bool = False
    dropped: tuple[str, ...] = ()
