"""Find rows of equal keys in a range of time: sort one side by key and time (``TimeIndex``), then probe it.

Theory of operation. The entries of an index have the time, the slot and the number of each row. A radix sort orders
them by slot and time; if rows come in the order of time, only by slot. Slots are divided into at most about as many
buckets as there are rows, so a lookup reads the bounds of a bucket and searches the few entries in it. Probing rows are
looked up in blocks: what a block needs is prefetched first.
"""

import numpy as np

class TimeIndex:
    """Rows by the slot of their key and, in a key, by time; immutable."""

    entries: np.ndarray
    """Sorted: ``time`` (int64), ``slot`` (uint32) and ``row`` (uint32), the number of a row as it was given."""

    def __init__(self, slots: np.ndarray, times: np.ndarray) -> None:
        """Sort rows, at least one, with these slots (uint32) and times (int64). The GIL is released."""

    def any(self, slots: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """For each slot, True if a row has it and a time from ``low`` to ``high``."""

    def nearest(
        self, slots: np.ndarray, low: np.ndarray, high: np.ndarray, last: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """For each slot, the number and the time of its first or ``last`` row from ``low`` to ``high``; -1 if none."""

class TimeProbe:
    """The pairs of one probing batch, in its row order; a caller may stop at any point."""

    def __init__(
        self,
        index: TimeIndex,
        slots: np.ndarray,
        low: np.ndarray,
        high: np.ndarray,
        times: np.ndarray | None = None,
        since: np.ndarray | None = None,
        until: np.ndarray | None = None,
    ) -> None:
        """Probe with the slot of each row and its range of times.

        With ``times`` of the probing rows, a pair counts if that is from ``since`` to ``until`` of the index's row.
        """

    def next(self, limit: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the next pairs of row numbers (probing, index), at most ``limit`` >= 1; None at the end.

        Numbers are int64. The GIL is released.
        """

    def settle(self, settled: np.ndarray) -> np.ndarray:
        """Walk all pairs; settle rows of the index (bool as uint8), and return those that were not, ascending."""
