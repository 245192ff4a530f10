"""Map the keys of rows to slots: an index per key group or, without key columns, a single key.

Theory of operation. A key is identified by a pair (group, slot). The group is computed from the hash of the key, by
the same function that routes rows in a shuffle. The slot is the number of the key in its group, in order of arrival,
from 0 without gaps. State that belongs to a key (a row of accumulators, a Python object, a flag) is stored in arrays
that are indexed by slot, one array per group.

- A slot never changes. State built on this module never removes a key alone (``KeyIndex.remove`` would give its slot to
  another key): only a whole group is dropped (or all are cleared), and slots then start from 0 again. Whatever is
  indexed by the slots of a group must therefore be dropped together with it.
- Slots are assigned before the state that they index grows. An owner that looks up keys (``slots_of``) makes room for
  the new slots (``Rows.reserve``) before it calls a kernel, because kernels do not check slots.
- Arrays that are shorter than the index are valid: a slot behind their end belongs to a key that they have not seen.
- Keys compare by value in the plain type of the column. Dictionaries count as their values, null equals null. A join
  needs another rule (a null key matches nothing), so it masks rows with a null key by ``complete``.

Without key columns ``SingleKey`` stands in for the index: slot 0 of group 0 exists from the start and survives
``drop``, so an aggregate without keys has a result for empty input.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.native import KeyIndex, KeyView, Slots, canonical
from sabotnb.state.slot_ranges import SlotRange
from sabotnb.state.values import encoded_as

MISSING = 0xFFFFFFFF
"""The slot of a key that is not there."""


class SingleKey:
    """Stands in for a ``KeyIndex`` without key columns: one key, in group 0, from the start."""

    types: Sequence[pa.DataType] = ()

    def sizes(self) -> np.ndarray:
        """One key."""
        return np.ones(1, np.uint32)

    def size(self, group: int = 0) -> int:
        """One key."""
        return 1 if group == 0 else 0

    def nbytes(self, group: int = 0) -> int:
        """Nothing is stored."""
        return 0

    def view(self, group: int = 0) -> SingleView:
        """The single key."""
        return SingleView()

    def expect(self, group: int, keys: int) -> None:
        """There is room for the key."""

    def drop(self, group: int) -> None:
        """The key stays."""

    def clear(self) -> None:
        """The key stays."""


class SingleView:
    """Stands in for a ``KeyView`` without key columns."""

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
    """Number of keys, and their memory in bytes."""
    sizes = index.sizes()
    return int(sizes.sum()), sum(index.nbytes(int(group)) for group in np.flatnonzero(sizes))


def groups_in(index: Index) -> list[int]:
    """Key groups that have keys, ascending."""
    return [int(group) for group in np.flatnonzero(index.sizes())]


def compared(column: pa.Array, data_type: pa.DataType) -> pa.Array:
    """Convert a key column to the plain type in which keys are compared; a dictionary of such values stays one.

    A uint64 beyond the range of int64 becomes null, because no int64 equals it and a null key matches nothing.
    """
    if canonical.plain_type(column.type).equals(data_type):
        return column
    column = canonical.decoded(column)
    if pa.types.is_uint64(column.type) and pa.types.is_int64(data_type):
        words = column.view(data_type)
        return pc.if_else(pc.less(words, 0), pa.scalar(None, data_type), words)
    return column.cast(data_type)


def complete(columns: Sequence[pa.Array]) -> pa.Array | None:
    """Mask of the rows without a null in these key columns; None if no row has one."""
    valid = None
    for column in columns:
        # A null among the values of a dictionary does not show in the null count of its indices.
        hidden = isinstance(column, pa.DictionaryArray) and column.dictionary.null_count
        plain = canonical.decoded(column) if hidden else column
        if plain.null_count:
            valid = plain.is_valid() if valid is None else pc.and_(valid, plain.is_valid())
    return valid


def slots_of(index: Index, columns: Sequence[pa.Array], rows: int) -> Slots:
    """The slot of each of ``rows`` rows with these key columns."""
    if isinstance(index, SingleKey):
        return Slots(np.zeros(rows, np.uint32))
    return index.upsert(columns)


def expect_keys(index: Index, group: int, rows: int) -> None:
    """Make room for ``rows`` rows that are loaded into ``group``: most have a key of their own."""
    index.expect(group, index.size(group) + rows)


def find(index: Index, columns: Sequence[pa.Array]) -> Slots:
    """The slot of each row's key; MISSING if the key is unknown. Needs at least one key column."""
    assert isinstance(index, KeyIndex)
    return index.find(columns)


def groups_of(slots: Slots) -> list[int]:
    """The key groups that occur in ``slots``, ascending."""
    if slots.groups is None:
        return [0] if len(slots) else []
    return [int(group) for group in np.flatnonzero(np.bincount(slots.groups))]


def check_group(group: int, found: Iterable[int]) -> None:
    """Raise a ValueError if rows that were loaded into ``group`` belong to other groups."""
    if others := set(found) - {group}:
        raise ValueError(f"rows of key groups {sorted(others)} were loaded into group {group}")


def key_columns(index: Index, spans: Sequence[SlotRange], keys: pa.Schema) -> list[pa.Array]:
    """The keys of the slots of ``spans``, in the encodings of ``keys``."""
    parts = [index.view(span.group).keys(span.start, span.stop) for span in spans]
    return [
        encoded_as(pa.concat_arrays(pieces), field.type)
        for pieces, field in zip(zip(*parts, strict=True), keys, strict=False)
    ]


def plain_keys(index: Index, keys: pa.Schema) -> list[pa.Field]:
    """The fields of exported keys: those of ``keys``, with plain types instead of dictionaries."""
    return [pa.field(name, data_type) for name, data_type in zip(keys.names, index.types, strict=True)]
