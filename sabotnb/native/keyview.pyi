import numpy as np
import pyarrow as pa

class KeyView:
    """The keys of one group of a ``KeyIndex`` as they were when the view was taken, whatever becomes of the index.

    Made by ``KeyIndex.view``. May be read from any thread.
    """

    def __len__(self) -> int: ...
    def keys(self, start: int = 0, stop: int | None = None) -> list[pa.Array]:
        """Copy the keys of slots ``start`` to ``stop``, one array per key column."""

    def take(self, slots: np.ndarray, columns: int | None = None) -> list[pa.Array]:
        """Copy the keys of ``slots``; with ``columns`` of the first so many key columns only.

        Raises:
            IndexError: there is no such slot.
        """
