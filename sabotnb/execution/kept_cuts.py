"""Which stored cuts of a run are kept: the rule of the machine, the job store and resumed runs.

A run keeps its last checkpoints, so that it can go back if the files of the last one cannot be read. Those that do not
lead to the last one are of no use: the run went back to an older one, and what it had committed after that is replaced.
Savepoints are kept until users remove them, and do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sabotnb.protocol import CutKind, RunId, StoredCut


class KnownCut(Protocol):
    """A cut, or the row that the job store has of it."""

    @property
    def run(self) -> RunId:
        """The run that took it."""
        ...

    @property
    def epoch(self) -> int:
        """The epoch of the run."""
        ...

    @property
    def cut(self) -> int:
        """Its number."""
        ...

    @property
    def kind(self) -> CutKind | str:
        """What it was taken for."""
        ...


KEPT_CHECKPOINTS = 3
"""How many checkpoints of a run are kept."""


def is_dropped_later(kind: CutKind | str) -> bool:
    """True for cuts of a ``kind`` that is removed when there are enough newer ones."""
    return kind != CutKind.SAVEPOINT


def oldest_kept(cuts: Sequence[StoredCut]) -> StoredCut | None:
    """The checkpoint before which all others are dropped; None if ``cuts``, the newest last, are not more than kept."""
    checkpoints = [cut for cut in cuts if is_dropped_later(cut.kind)]
    return checkpoints[-KEPT_CHECKPOINTS] if len(checkpoints) >= KEPT_CHECKPOINTS else None


def kept_cuts(cuts: Sequence[StoredCut]) -> list[StoredCut]:
    """Return the cuts to which a run can go back of ``cuts``, the newest last, with the savepoints between them."""
    leading = [cut for cut in cuts if cuts[-1].follows(cut.run, cut.epoch, cut.cut)]
    oldest = oldest_kept(leading)
    return [cut for cut in leading if oldest is None or cut.cut >= oldest.cut]


def is_dropped(cut: KnownCut, kept: Sequence[StoredCut]) -> bool:
    """True for a checkpoint of the run that is not among the ``kept`` cuts, the newest last, and not newer."""
    oldest, newest = oldest_kept(kept), kept[-1]
    old = oldest is not None and cut.cut < oldest.cut
    void = cut.cut < newest.cut and not newest.follows(cut.run, cut.epoch, cut.cut)
    return is_dropped_later(cut.kind) and (old or void)
