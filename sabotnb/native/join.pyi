"""Pair the rows of an equality join: sort one side by key (``Matches``), then probe it in bounded steps (``Probe``)."""

import numpy as np

class Matches:
    """The build side of a join: the rows of each key. Keys are numbered group by group and, in a group, by slot."""

    matched: np.ndarray
    """bool per key: a probe has met it."""

    def __init__(self, slots: np.ndarray, first: np.ndarray, groups: np.ndarray | None = None) -> None:
        """Sort row numbers by the key of each row: its slot (uint32) in its group (uint16; None: all are in one).

        ``first`` (int64) is the number of each group's first key, and at last the number of keys. Rows with slot
        0xFFFFFFFF match nothing and are left out.
        """

    def unmatched(self) -> np.ndarray:
        """Ascending numbers (int64) of the rows whose key no probe has met, without rows that have no key."""

class Probe:
    """The pairs of one probing batch, in its row order; a caller may stop at any point."""

    def __init__(self, matches: Matches, slots: np.ndarray, outer: bool, groups: np.ndarray | None = None) -> None:
        """Probe with the key of each row. A row with slot 0xFFFFFFFF has no partner; ``outer`` pairs it with -1."""

    def next(self, limit: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the next pairs of row numbers (probe side, build side), at most ``limit`` >= 1; None at the end.

        Numbers are int64. The GIL is released.
        """
