"""A set of keys as keyed state, for ``distinct`` and for semi and anti joins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from sabotnb.native import KeyIndex, Slots
from sabotnb.state.keys import (
    MISSING,
    View,
    check_group,
    compared,
    complete,
    expect_keys,
    groups_in,
    groups_of,
    plain_keys,
    size_of,
)
from sabotnb.state.slot_ranges import fixed_row_bytes, in_pieces


class KeySet:
    """Distinct keys by key group, without rows. Implements ``protocol.KeyedState``."""

    def __init__(self, keys: pa.Schema, groups: int) -> None:
        """``keys`` have the types in which they are compared; dictionaries count as their values."""
        self._index = KeyIndex(keys.types, groups)
        self.schema = pa.schema(plain_keys(self._index, keys))

    def add(self, columns: Sequence[pa.Array]) -> np.ndarray:
        """Add the keys of rows; return the ascending numbers of the rows whose key is new."""
        return np.asarray(self._add(columns).fresh)

    def find(self, columns: Sequence[pa.Array]) -> np.ndarray:
        """Mask of the rows whose key is in the set, by the rule of joins: a key with a null is never in it."""
        keys = self._compared(columns)
        found: np.ndarray = self._index.find(keys).slots != MISSING
        valid = complete(keys)  # a value that no key of this type can equal is null after the conversion
        return found if valid is None else found & valid.to_numpy(zero_copy_only=False)

    def has(self, columns: Sequence[pa.Array]) -> np.ndarray:
        """Mask of the rows whose key is in the set; a null equals a null."""
        found: np.ndarray = self._index.find(self._compared(columns)).slots != MISSING
        return found

    def groups(self) -> Sequence[int]:
        return groups_in(self._index)

    def freeze(self, groups: Sequence[int]) -> FrozenKeys:
        return FrozenKeys(self.schema, {group: self._index.view(group) for group in groups})

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        return self.freeze([group]).export(group)

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        for batch in batches:
            expect_keys(self._index, group, batch.num_rows)
            check_group(group, groups_of(self._add(batch.columns)))

    def drop(self, group: int) -> None:
        self._index.drop(group)

    def nbytes(self, group: int) -> int:
        return self._index.nbytes(group)

    def size(self) -> tuple[int, int]:
        return size_of(self._index)

    def _add(self, columns: Sequence[pa.Array]) -> Slots:
        return self._index.upsert(self._compared(columns), fresh=True)

    def _compared(self, columns: Sequence[pa.Array]) -> list[pa.Array]:
        return [compared(column, field.type) for column, field in zip(columns, self.schema, strict=True)]


class FrozenKeys:
    """The keys when they were frozen; may be read from any thread."""

    def __init__(self, schema: pa.Schema, keys: Mapping[int, View]) -> None:
        self._schema = schema
        self._keys = dict(keys)
        self._row_bytes = fixed_row_bytes(schema)

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The keys of ``group``."""
        keys = self._keys[group]
        return in_pieces(
            len(keys),
            lambda start, stop: pa.RecordBatch.from_arrays(keys.keys(start, stop), schema=self._schema),
            self._row_bytes,
        )

    def release(self, group: int) -> None:
        """Drop the keys of ``group``, whose memory then grows without being copied."""
        self._keys.pop(group, None)
