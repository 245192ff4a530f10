import numpy as np

class Matches:
    """The built side of a join: which of its rows have which key. Keys have numbers: group by group, by slot."""

    matched: np.ndarray
    """bool per key: a probe has met it."""

    def __init__(self, slots: np.ndarray, first: np.ndarray, groups: np.ndarray | None = None) -> None:
        """Sort row numbers by the key of each row: its slot (uint32) in its group (uint16; None: all are in one).

        ``first`` (int64) is the number of each group's first key, and at last the number of keys. Rows with slot
        0xFFFFFFFF match nothing and are left out.
        """

    def unmatched(self) -> np.ndarray:
        """Ascending numbers of the rows whose key no probe has met (int64), without those that were left out."""

class Probe:
    """The pairs of one probing batch, in its row order; it can be given up at any point."""

    def __init__(self, matches: Matches, slots: np.ndarray, outer: bool, groups: np.ndarray | None = None) -> None:
        """Probe with the key of each row; slot 0xFFFFFFFF has no partner and is given with -1 if ``outer``."""

    def next(self, limit: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Row numbers (probing, built), int64, at most ``limit`` >= 1 pairs; None at the end. Releases the GIL."""
