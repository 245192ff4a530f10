import numpy as np

class Rows:
    """One row of accumulators per slot, in one buffer per key group; new rows are all zero bytes. Not thread-safe.

    Kernels do not check slots: who calls one has reserved room for the largest of each group before.
    """

    groups: int
    width: int

    def __init__(self, width: int, groups: int = 1) -> None:
        """Rows of ``width`` bytes, a multiple of 8. Fields lie at offsets that are multiples of 8."""

    def reserve(self, sizes: np.ndarray) -> None:
        """Make room for that many rows per group (``KeyIndex.sizes()``); to be called before every update."""

    def buffer(self, group: int = 0) -> np.ndarray | None:
        """The rows of ``group`` as bytes, shape (room, width), not a copy; None if it never had any."""

    def share(self, group: int, buffer: np.ndarray | None) -> None:
        """Read rows from the ``buffer`` of others of the same width; None has no rows."""

    def detach(self, group: int) -> None:
        """Go on with a copy of ``group``: owners of its buffer keep it as it is now."""

    def drop(self, group: int) -> None:
        """Give up the buffer of ``group``."""

    def clear(self, sizes: np.ndarray) -> None:
        """Set the first ``sizes[group]`` rows of each group to zero again."""

    def nbytes(self, group: int = 0) -> int:
        """Memory that ``group`` holds."""
