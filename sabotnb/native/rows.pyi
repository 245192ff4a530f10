"""Accumulators of keys: a row of bytes per slot, which aggregate kernels update in place."""

import numpy as np

class Rows:
    """One row of accumulators per slot, in one buffer per key group; new rows are all zero bytes. Not thread-safe.

    Kernels do not check slots: a caller must reserve room for the largest slot of each group before. The array that
    ``buffer`` returns is not a copy and updates change it; call ``detach`` before the next update to leave it as it is.
    """

    groups: int
    width: int

    def __init__(self, width: int, groups: int = 1) -> None:
        """Rows of ``width`` bytes, a multiple of 8. Fields lie at offsets that are multiples of 8."""

    def reserve(self, sizes: np.ndarray) -> None:
        """Make room for that many rows per group (``KeyIndex.sizes()``). Call it before every update."""

    def buffer(self, group: int = 0) -> np.ndarray | None:
        """Return the rows of ``group`` as bytes, shape (room, width), without copying them; None if it has none."""

    def share(self, group: int, buffer: np.ndarray | None) -> None:
        """Read the rows of ``group`` from the ``buffer`` of another ``Rows`` of the same width; None has no rows."""

    def detach(self, group: int) -> None:
        """Continue with a copy of ``group``: other owners of its buffer keep it as it is now."""

    def drop(self, group: int) -> None:
        """Release the buffer of ``group``."""

    def clear(self, sizes: np.ndarray) -> None:
        """Set the first ``sizes[group]`` rows of each group to zero again."""

    def nbytes(self, group: int = 0) -> int:
        """Memory that ``group`` holds."""
