from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from sabotnb.native.keyview import KeyView

class Slots:
    """Where the key of each row of a batch is: a slot in a key group. Slots of a group count from 0 without gaps."""

    slots: np.ndarray
    """uint32; 0xFFFFFFFF is a key that was not found."""
    groups: np.ndarray | None
    """uint16; None if there is one group only."""
    fresh: np.ndarray | None
    """Ascending numbers of the rows that brought a new key, if that was asked for."""

    def __init__(
        self, slots: np.ndarray, groups: np.ndarray | None = None, fresh: np.ndarray | None = None
    ) -> None: ...
    def __len__(self) -> int: ...
    def take(self, rows: np.ndarray) -> Slots:
        """The slots of ``rows`` (numbers or a mask)."""

class KeyIndex:
    """Gives each distinct key a slot, in one hash table per key group. Not thread-safe; kernels release the GIL.

    A key is a row of one or more columns. Null equals null, NaN equals NaN, -0.0 equals 0.0. The group of a key is
    ``key_groups(hash_rows(key), groups)``. A batch of keys that are dictionary-encoded, or integers close together,
    hashes each combination once; a single key of at most 64 bits is compared as a word; strings, decimals and several
    columns are compared as bytes.
    """

    groups: int
    types: list[pa.DataType]
    """Of the keys as views give them: no dictionaries."""

    def __init__(self, types: Sequence[pa.DataType], groups: int = 1) -> None:
        """Make an empty index for keys of ``types`` in 1..65536 groups.

        Raises:
            TypeMismatch: a nested or interval type.
        """

    def upsert(self, columns: Sequence[pa.Array], fresh: bool = False, within: Slots | None = None) -> Slots:
        """Find the slot of each row's key, making slots for new keys; ``fresh`` tells which rows brought them.

        With ``within`` a row's group is the one there and not that of its hash.

        Raises:
            MemoryError: no room; or more than 2**31 keys in one group.
        """

    def find(self, columns: Sequence[pa.Array]) -> Slots:
        """The slot of each row's key, 0xFFFFFFFF where there is none."""

    def size(self, group: int = 0) -> int:
        """Number of keys in ``group``."""

    def sizes(self) -> np.ndarray:
        """Number of keys in each group, uint32."""

    def nbytes(self, group: int = 0) -> int:
        """Memory that ``group`` holds."""

    def view(self, group: int = 0) -> KeyView:
        """The keys of ``group`` as they are now, without copying them."""

    def drop(self, group: int) -> None:
        """Forget the keys of ``group`` and free its memory."""

    def clear(self) -> None:
        """Forget all keys and keep the memory for the next ones."""

def codes(columns: Sequence[pa.Array]) -> tuple[np.ndarray, pa.Int64Array] | None:
    """Number the distinct combinations of dictionary indices and integers that lie close together.

    Gives the number of each row (uint32) and the first row of each; None if a column is neither, or if there are more
    possible combinations than numbering them would pay for. A value that a dictionary holds twice has two numbers.
    """
