"""The rows of a key group as they were at a freeze, read while the task goes on changing them."""

from collections.abc import Sequence

import numpy as np

class RowImage:
    """Made by ``Rows.freeze``. May be read from any thread; while it exists, rows are saved before they change."""

    nbytes: int
    """Bytes of its rows."""

    saved: int
    """Number of rows that were saved for this image, before their first change."""

    def __len__(self) -> int:
        """Number of rows."""

    def read(self, start: int, stop: int) -> np.ndarray:
        """Copy the rows of slots ``start`` to ``stop`` as bytes, shape (rows, width); zeros where there are none."""

def read_images(images: Sequence[RowImage]) -> np.ndarray:
    """Copy all rows of images of one ``Rows``, one image after the other, as bytes of shape (rows, width).

    The pages of all of them are copied in one go without the GIL, so the task changes few rows meanwhile.
    """
