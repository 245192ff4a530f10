"""Keyed state that stores whole rows: by key group (``GroupedRows``) or by key (``KeyedRows``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from sabotnb.native import Orders, hash_rows, key_groups, plain_schema, plain_type, without_unused
from sabotnb.state.grouped_batches import GroupedBatch, GroupedBatches
from sabotnb.state.keys import check_group, compared, index_of, size_of, slots_of
from sabotnb.state.retention import ALL_ROWS, Retention
from sabotnb.state.row_store import FrozenRowStore, RowStore
from sabotnb.state.spilled_rows import SpillPolicy
from sabotnb.state.values import encoded_as

Places = tuple[np.ndarray | None, np.ndarray | None]
"""The key group and the slot of each row; None: all are in group 0."""


class GroupedRows:
    """Rows by key group; without ``keys`` all are in group 0. Implements ``protocol.KeyedState``."""

    def __init__(
        self,
        schema: pa.Schema,
        keys: Sequence[str],
        groups: int,
        keep: Retention = ALL_ROWS,
        spill: SpillPolicy | None = None,
    ) -> None:
        """Store rows of ``schema``; only rows without ``keys`` may ``spill``."""
        self.schema = plain_schema(schema).remove_metadata()
        self._names = tuple(keys)
        self._groups = groups if keys else 1
        self._pile = RowStore(self.schema, keep, spill=spill)
        self.orders = Orders(self.schema)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self._pile.rows

    def add(self, batch: pa.RecordBatch) -> None:
        """Store the rows of ``batch``, in the encodings of the schema."""
        self._add(batch)

    def take_first(self) -> pa.RecordBatch | None:
        """Remove and return the batch that arrived first; None if there is none."""
        return self._pile.take_first()

    def spill(self) -> None:
        """Write the rows in memory to a file, if others are in files; sorted files are read in order then."""
        if self._pile.spilled and self._pile.spilled < self._pile.nbytes:
            self._pile.spill()

    def join_small(self) -> None:
        """Join small batches, in front of many exports and drops."""
        if self._pile.keep.limit is None:
            self._pile.join_small()

    def joined(self) -> GroupedBatches:
        """All rows, numbered in an order that lasts until rows are added or dropped."""
        return self._pile.join()

    def groups(self) -> Sequence[int]:
        return self._pile.groups()

    def freeze(self, groups: Sequence[int]) -> FrozenRows:
        return FrozenRows(self._pile.freeze(groups))

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        return self.freeze([group]).export(group)

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        for batch in batches:
            check_group(group, self._add(batch).present())

    def drop(self, group: int) -> None:
        self._pile.drop(group)

    def nbytes(self, group: int) -> int:
        return self._pile.bytes_of(group)

    def size(self) -> tuple[int, int]:
        return 0, self._pile.nbytes - self._pile.spilled

    def _add(self, batch: pa.RecordBatch) -> GroupedBatch:
        places = self._places(batch)
        encoded = _encoded(batch, self._pile.schema)
        self.orders.take(encoded)
        return self._pile.add(encoded, *places)

    def _places(self, batch: pa.RecordBatch) -> Places:
        keys = [batch.column(name) for name in self._names]
        return (key_groups(hash_rows(keys), self._groups).to_numpy(), None) if keys else (None, None)


class KeyedRows(GroupedRows):
    """Rows by key: an index of keys lets the store keep the first rows of each key in the order of ``keep``."""

    def __init__(self, schema: pa.Schema, keys: pa.Schema, groups: int, keep: Retention = ALL_ROWS) -> None:
        """``keys`` are columns of ``schema``, with the types in which they are compared; dictionaries are decoded."""
        super().__init__(schema, keys.names, groups, keep)
        keys = pa.schema([field.with_type(plain_type(field.type)) for field in keys])
        self._keys = keys
        self._index = index_of(keys, self._groups)

    @property
    def kept(self) -> GroupedBatches | None:
        """What was kept when rows were cut last, until a group is dropped."""
        return self._pile.kept

    def arranged(self) -> GroupedBatches:
        """The rows that are kept, by key and in order."""
        return self._pile.arrange()

    def drop(self, group: int) -> None:
        super().drop(group)
        self._index.drop(group)

    def nbytes(self, group: int) -> int:
        return super().nbytes(group) + self._index.nbytes(group)

    def size(self) -> tuple[int, int]:
        keys, held = size_of(self._index)
        return keys, held + self._pile.nbytes

    def _places(self, batch: pa.RecordBatch) -> Places:
        columns = [compared(batch.column(field.name), field.type) for field in self._keys]
        slots = slots_of(self._index, columns, batch.num_rows)
        return slots.groups, slots.slots


def _encoded(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The same rows in the encodings of ``schema``."""
    if batch.schema.equals(schema):
        return batch
    arrays = [encoded_as(column, field.type) for column, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


class FrozenRows:
    """The rows when they were frozen; may be read from any thread."""

    def __init__(self, pile: FrozenRowStore) -> None:
        self._pile = pile

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The rows of ``group``, without those that the store would discard."""
        for piece in self._pile.pieces(group):
            yield pa.RecordBatch.from_arrays(self._columns(piece), schema=piece.batch.schema)

    def _columns(self, piece: GroupedBatch) -> list[pa.Array]:
        return [without_unused(column) for column in piece.batch.columns]
