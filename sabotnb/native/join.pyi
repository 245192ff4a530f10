import numpy as np

class Matches:
    """The built side of a join: which of its rows have which key slot."""

    matched: np.ndarray
    """bool per slot: a probe has met it."""

    def __init__(self, slots: np.ndarray, keys: int) -> None:
        """Sort row numbers by ``slots`` (uint32, below ``keys``); 0xFFFFFFFF matches nothing and is left out."""

    def unmatched(self) -> np.ndarray:
        """Ascending numbers of the rows whose slot no probe has met (int64), without those that were left out."""

class Probe:
    """The pairs of one probing batch, in its row order; it can be given up at any point."""

    def __init__(self, matches: Matches, slots: np.ndarray, outer: bool) -> None:
        """Probe with the slot of each row; 0xFFFFFFFF has no partner and is given with -1 if ``outer``."""

    def next(self, limit: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Row numbers (probing, built), int64, at most ``limit`` >= 1 pairs; None at the end. Releases the GIL."""
