"""Assign slots to the distinct keys of batches: one hash table per key group.

Theory of operation. ``KeyIndex`` promises the following to the state that is built on it.

Slots. A new key gets the next slot of its group: 0, 1, 2, ... in the order of arrival. A slot never changes. Growth
moves memory, not slots, so arrays that are indexed by slot stay valid and only have to grow, too. Null has an ordinary
slot. ``remove`` frees the slots of single keys, and new keys get these slots again: state of a removed key must be
cleared by its owner. ``drop`` (a group) and ``clear`` (all groups) remove all keys; slots then start from 0 again.

Memory. A table has three parts: the entries (the hash table itself, ``_table.pxd``), the keys by slot, and a heap for
keys that are compared as bytes. Entries belong to the index alone. They are in pages of at most 64 KB, which are
divided when they are full, from the hash bits that each entry stores: no batch pays for a whole table. The keys by slot
and the heap have several owners: the index and each view. Owners are counted atomically.

Views. A view shares the keys by slot and the heap, and stores how many slots there were and which were free. While it
exists, the index only appends to this memory: free slots are not given to new keys. If the index needs more room, it
continues in a copy, and the last owner frees the old memory. ``remove``, ``drop`` and ``clear`` leave views intact.
A view therefore needs no lock: one thread may change the index while others read views of it. Two threads must not use
the index itself at the same time, since kernels release the GIL.

Failure. An ``upsert`` that runs out of memory may have added some of the keys of its batch.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from sabotnb.native.keyview import KeyView

class Slots:
    """The slot and the key group of each row's key. Without removals, slots of a group count from 0 without gaps."""

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
        """Return the slots of ``rows`` (numbers or a mask)."""

class KeyIndex:
    """Assigns a slot to each distinct key, in one hash table per key group. Not thread-safe; kernels release the GIL.

    A key is a row of one or more columns. Null equals null, NaN equals NaN, -0.0 equals 0.0. The group of a key is
    ``key_groups(hash_rows(key), groups)``. A batch of keys that are dictionary-encoded, or integers close together,
    hashes each combination once; a single key of at most 64 bits is compared as a word; strings, decimals and several
    columns are compared as bytes.
    """

    groups: int
    types: list[pa.DataType]
    """Of the keys as views give them: no dictionaries."""

    def __init__(self, types: Sequence[pa.DataType], groups: int = 1) -> None:
        """Create an empty index for keys of ``types`` in 1..65536 groups.

        Raises:
            TypeMismatch: a nested or interval type.
        """

    def upsert(self, columns: Sequence[pa.Array], fresh: bool = False, within: Slots | None = None) -> Slots:
        """Return the slot of each row's key, adding new keys; ``fresh`` asks for the rows whose key is new.

        With ``within`` each row has the group given there, not that of its hash.

        Raises:
            MemoryError: no room; or more than 2**31 keys in one group.
        """

    def find(self, columns: Sequence[pa.Array]) -> Slots:
        """Return the slot of each row's key, 0xFFFFFFFF if the key is unknown."""

    def remove(self, columns: Sequence[pa.Array]) -> Slots:
        """Remove the key of each row; return the slot that it had, 0xFFFFFFFF if the key is unknown or came before.

        Raises:
            MemoryError: no room to note the free slots; some keys may be removed.
        """

    def expect(self, group: int, keys: int) -> None:
        """Make room for ``keys`` keys of ``group`` in all, which are about to be added; otherwise it grows on the way.

        Raises:
            MemoryError: no room.
        """

    def size(self, group: int = 0) -> int:
        """Number of keys in ``group``."""

    def sizes(self) -> np.ndarray:
        """Number of keys in each group, uint32."""

    def extents(self) -> np.ndarray:
        """Number of slots of each group, including free ones: what arrays by slot need room for, uint32."""

    def nbytes(self, group: int = 0) -> int:
        """Memory that ``group`` holds."""

    def view(self, group: int = 0) -> KeyView:
        """Return the keys of ``group`` as they are now, without copying them."""

    def drop(self, group: int) -> None:
        """Remove the keys of ``group`` and free its memory, except what views share."""

    def clear(self) -> None:
        """Remove all keys and keep the memory for the next ones, except what views share."""

def codes(columns: Sequence[pa.Array]) -> tuple[np.ndarray, pa.Int64Array] | None:
    """Number the distinct combinations of dictionary indices and integers that lie close together.

    Returns the number of each row (uint32) and the first row of each number. Returns None if a column is neither, or if
    so many combinations are possible that hashing rows is cheaper. A value that a dictionary lists twice gets two
    numbers.
    """
