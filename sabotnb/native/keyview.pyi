"""Read the keys of a ``KeyIndex`` back, from memory that the index and its views share."""

import numpy as np
import pyarrow as pa

class KeyView:
    """The keys of one group of a ``KeyIndex`` when the view was taken; later changes of the index do not affect it.

    Made by ``KeyIndex.view``. May be read from any thread.
    """

    def __len__(self) -> int:
        """Number of slots, including those whose key was removed."""

    def slots(self) -> np.ndarray:
        """Return the ascending slots that have a key."""

    def keys(self, start: int = 0, stop: int | None = None) -> list[pa.Array]:
        """Copy the keys of slots ``start`` to ``stop``, an array per key column; any value for a slot without a key."""

    def take(self, slots: np.ndarray, columns: int | None = None) -> list[pa.Array]:
        """Copy the keys of ``slots``; with ``columns`` only that many of the first key columns.

        Raises:
            IndexError: there is no such slot.
        """
