"""The keys of an operator: an index of them in each key group or, without key columns, the one key that there is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from sabotnb.native.keyindex import KeyIndex, Slots
from sabotnb.native.keyview import KeyView
from sabotnb.state.spans import Span
from sabotnb.state.values import encoded_as


class SingleKey:
    """Takes the place of a ``KeyIndex`` without key columns: one key, in group 0, from the beginning."""

    types: Sequence[pa.DataType] = ()

    def sizes(self) -> np.ndarray:
        """One key."""
        return np.ones(1, np.uint32)

    def size(self, group: int = 0) -> int:
        """One key."""
        return 1 if group == 0 else 0

    def nbytes(self, group: int = 0) -> int:
        """Nothing is held."""
        return 0

    def view(self, group: int = 0) -> SingleView:
        """The one key."""
        return SingleView()

    def drop(self, group: int) -> None:
        """The key stays."""

    def clear(self) -> None:
        """The key stays."""


class SingleView:
    """Takes the place of a ``KeyView``."""

    def __len__(self) -> int:
        return 1

    def keys(self, start: int = 0, stop: int | None = None) -> list[pa.Array]:
        """There are no key columns."""
        return []


Index = KeyIndex | SingleKey
View = KeyView | SingleView


def index_of(keys: pa.Schema, groups: int) -> Index:
    """An empty index for keys of these fields."""
    return KeyIndex([field.type for field in keys], groups) if len(keys) else SingleKey()


def size_of(index: Index) -> tuple[int, int]:
    """Number of keys, and the memory that they take."""
    sizes = index.sizes()
    return int(sizes.sum()), sum(index.nbytes(int(group)) for group in np.flatnonzero(sizes))


def groups_in(index: Index) -> list[int]:
    """Key groups that have keys, ascending."""
    return [int(group) for group in np.flatnonzero(index.sizes())]


def slots_of(index: Index, columns: Sequence[pa.Array], rows: int) -> Slots:
    """The slot of each of ``rows`` rows with these key columns."""
    if isinstance(index, SingleKey):
        return Slots(np.zeros(rows, np.uint32))
    return index.upsert(columns)


def groups_of(slots: Slots) -> list[int]:
    """The key groups of rows with these slots, ascending."""
    if slots.groups is None:
        return [0] if len(slots) else []
    return [int(group) for group in np.flatnonzero(np.bincount(slots.groups))]


def key_columns(index: Index, spans: Sequence[Span], keys: pa.Schema) -> list[pa.Array]:
    """The keys of the slots of ``spans``, in the encodings of ``keys``."""
    parts = [index.view(span.group).keys(span.start, span.stop) for span in spans]
    return [
        encoded_as(pa.concat_arrays(pieces), field.type)
        for pieces, field in zip(zip(*parts, strict=True), keys, strict=False)
    ]


def plain_keys(index: Index, keys: pa.Schema) -> list[pa.Field]:
    """The fields of exported keys: those of ``keys`` without dictionaries."""
    return [pa.field(name, data_type) for name, data_type in zip(keys.names, index.types, strict=True)]
