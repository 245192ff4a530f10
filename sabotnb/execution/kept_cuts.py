"""Which stored cuts of a run are kept: the rule of the machine, the job store and resumed runs.

A run keeps its last checkpoints, so that it can go back if the files of the last one cannot be read. Savepoints are
kept until users remove them, and do not count.
"""

from __future__ import annotations

from collections.abc import Sequence

from sabotnb.protocol import CutKind, StoredCut

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
    oldest = oldest_kept(cuts)
    return [cut for cut in cuts if oldest is None or cut.cut >= oldest.cut]
