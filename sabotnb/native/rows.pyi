"""Accumulators of keys: a row of bytes per slot, which aggregate kernels update in place."""

import numpy as np

from sabotnb.native.keyindex import Slots
from sabotnb.native.row_image import RowImage

class Rows:
    """One row of accumulators per slot, in pages of each key group; new rows are all zero bytes. Not thread-safe.

    Kernels do not check slots: a caller must reserve room for the largest slot of each group before. Call
    ``save`` before rows change; ``FieldUpdates.run`` does.
    """

    groups: int
    width: int

    def __init__(self, width: int, groups: int = 1) -> None:
        """Rows of ``width`` bytes, a multiple of 8. Fields lie at offsets that are multiples of 8."""

    def reserve(self, sizes: np.ndarray) -> None:
        """Make room for that many rows per group (``KeyIndex.sizes()``). Call it before every update."""

    def read(self, group: int, start: int, stop: int) -> np.ndarray:
        """Copy the rows of slots ``start`` to ``stop`` as bytes, shape (rows, width); zeros where there are none."""

    def freeze(self, group: int, size: int) -> RowImage:
        """Return the first ``size`` rows of ``group`` as they are now, without copying them."""

    def save(self, slots: Slots) -> None:
        """Save the rows of ``slots`` for the images that are in use, before these rows change.

        Raises:
            MemoryError: there is no room; no row may be changed.
        """

    def drop(self, group: int) -> None:
        """Remove the rows of ``group``, except from images."""

    def clear(self, sizes: np.ndarray) -> None:
        """Set the first ``sizes[group]`` rows of each group to zero again; images keep them."""

    def nbytes(self, group: int = 0) -> int:
        """Memory that ``group`` holds."""
