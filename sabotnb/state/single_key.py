"""The key index of an aggregate without keys: one key, in group 0, that is there from the beginning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from sabotnb.native.keyindex import KeyIndex, Slots


class SingleKey:
    """Takes the place of a ``KeyIndex``; ``rows`` of a batch are told by its slots."""

    def sizes(self) -> np.ndarray:
        """One key."""
        return np.ones(1, np.uint32)

    def size(self, group: int = 0) -> int:
        """One key."""
        return 1 if group == 0 else 0

    def nbytes(self, group: int = 0) -> int:
        """Nothing is held."""
        return 0

    def keys(self, group: int = 0, start: int = 0, stop: int | None = None) -> list[pa.Array]:
        """There are no key columns."""
        return []

    def drop(self, group: int) -> None:
        """The key stays."""

    def clear(self) -> None:
        """The key stays."""


Index = KeyIndex | SingleKey


def index_of(keys: pa.Schema, groups: int) -> Index:
    """An empty index for keys of these fields."""
    return KeyIndex([field.type for field in keys], groups) if len(keys) else SingleKey()


def size_of(index: Index) -> tuple[int, int]:
    """Number of keys, and the memory that they take."""
    sizes = index.sizes()
    return int(sizes.sum()), sum(index.nbytes(int(group)) for group in np.flatnonzero(sizes))


def slots_of(index: Index, columns: Sequence[pa.Array], rows: int) -> Slots:
    """The slot of each of ``rows`` rows with these key columns."""
    if isinstance(index, SingleKey):
        return Slots(np.zeros(rows, np.uint32))
    return index.upsert(columns)
