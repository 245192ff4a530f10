"""The rows of a key group as they were at a freeze, read while the task goes on changing them."""

import numpy as np

class RowImage:
    """Made by ``Rows.freeze``. May be read from any thread; while it exists, rows are saved before they change."""

    saved: int
    """Number of rows that were saved for this image, before their first change."""

    def __len__(self) -> int:
        """Number of rows."""

    def read(self, start: int, stop: int) -> np.ndarray:
        """Copy the rows of slots ``start`` to ``stop`` as bytes, shape (rows, width); zeros where there are none."""
