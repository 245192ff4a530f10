"""What one run knows of its cuts: the one in progress, those that are stored, and those whose output is not committed.

Only ``checkpoint_coordinator``, ``termination`` and ``restarting`` change it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from sabotnb.execution.kept_cuts import kept_cuts
from sabotnb.protocol import CheckpointStatus, Cut, Failure, StoredCut, TaskId, TaskSnapshot

SHOWN_CUTS = 100
"""How many stored cuts of a run its status lists."""


@dataclass(frozen=True, slots=True)
class SavepointRequest:
    """A client's ``command`` that waits for a savepoint called ``name``, at which the run ends if it is to ``stop``."""

    command: str
    name: str
    stop: bool


@dataclass(slots=True)
class PendingCut:
    """A cut in progress. ``missing`` are the tasks that have neither acknowledged it nor ended before it."""

    cut: Cut
    began: float
    missing: set[TaskId]
    savepoint: SavepointRequest | None = None
    snapshots: dict[TaskId, TaskSnapshot] = field(default_factory=dict)
    storing: StoredCut | None = None
    """What the job store was asked to write; from then on only its answer ends the cut."""


@dataclass(slots=True)
class RunCuts:
    """The cuts of a run. ``number`` is that of the last one that was begun, in all epochs."""

    number: int = 0
    pending: PendingCut | None = None
    wanted: deque[SavepointRequest] = field(default_factory=deque)
    """Savepoints that begin when the cut in progress is over."""
    at_savepoint: bool = False
    """True if the run ends at a savepoint: the output of its tasks after it is not committed."""
    kept: list[StoredCut] = field(default_factory=list)
    """The stored cuts to which it can go back, the newest at the end."""
    shown: deque[CheckpointStatus] = field(default_factory=lambda: deque(maxlen=SHOWN_CUTS))
    """The last stored cuts, as people see them."""
    base: StoredCut | None = None
    """What this epoch was restored from."""
    base_status: CheckpointStatus | None = None
    """``base`` as people see it; None for a cut of another run."""
    commits: deque[StoredCut] = field(default_factory=deque)
    """Stored cuts of an endless run whose output is to be committed; the first one is, if there is a committer."""
    began: float = float("-inf")
    """When the last cut was begun, by the machine's clock."""
    ended: float = float("-inf")
    """When the last cut was stored or abandoned, by the machine's clock."""
    failures: int = 0
    """How many cuts were abandoned since the last one that was stored."""
    last_failure: Failure | None = None

    @property
    def last(self) -> StoredCut | None:
        """The last stored cut; a restart goes on from there."""
        return self.kept[-1] if self.kept else None

    @property
    def holds_sources(self) -> bool:
        """True while a savepoint is in progress with which the run is to be stopped."""
        savepoint = self.pending.savepoint if self.pending is not None else None
        return savepoint is not None and savepoint.stop

    @property
    def storing(self) -> bool:
        """True while the job store has been asked to write a cut and has not answered."""
        return self.pending is not None and self.pending.storing is not None

    def status_of(self, cut: StoredCut | None) -> CheckpointStatus | None:
        """Return ``cut``, which the run goes on from, as people see it; None if no restart goes back to it."""
        if cut is self.base:
            return self.base_status
        if cut is None or cut is not self.last:  # one of another run may have the number of one of its own
            return None
        return next((shown for shown in self.shown if shown.cut == cut.cut), None)

    def left(self, epoch: int, cut: int) -> bool:
        """True for a cut of the run that does not lead to its last one: the run went back behind it."""
        if self.last is None:
            return bool(self.shown)
        return not self.last.follows(self.last.run, epoch, cut)

    def keep(self, stored: StoredCut) -> None:
        """Take ``stored`` for the last stored cut, and drop those to which the run does not go back any more."""
        self.kept = kept_cuts([*self.kept, stored])

    def go_back(self) -> StoredCut | None:
        """Drop the last stored cut, which cannot be read; returns the one before it, or None if no other is kept."""
        self.kept.pop()
        return self.last

    def begin_epoch(self, base: StoredCut | None, *, commits: bool) -> None:
        """Go on from ``base``; if it ``commits``, its output is committed, or checked, first."""
        self.base, self.base_status = base, self.status_of(base)
        self.commits.clear()
        if commits and base is not None:
            self.commits.append(base)
