"""Keyed state that stores the current row of each key of a stream of updates.

Theory of operation. A row replaces the earlier one with its values in the columns ``updated``. The state is divided by
other columns, the keys of the verb that reads it, so that it moves with the groups of that verb. A row and those that
replace it are in one group, because an update does not change these keys (``graph.output_types``).

Rows are numbered in the order of arrival (``AT``), and of each key the store keeps the one with the largest number.
The number is exported, so it does not matter in which order rows are loaded or when replaced ones were discarded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.native import plain_type
from sabotnb.state.grouped_batches import GroupedBatch
from sabotnb.state.held_rows import GroupedRows
from sabotnb.state.keys import compared, index_of, size_of, slots_of
from sabotnb.state.retention import Direction, Retention

AT = "\0at"
"""The column with the number of a row."""


class CurrentRows(GroupedRows):
    """The last row of each key ``updated``, in the key groups of ``keys``. Implements ``protocol.KeyedState``."""

    def __init__(self, schema: pa.Schema, keys: Sequence[str], updated: Sequence[str], groups: int) -> None:
        """Store rows of ``schema``; without ``keys`` all are in group 0, without ``updated`` there is one row."""
        keep = Retention(1, ((AT, Direction.DOWN),))
        super().__init__(schema.append(pa.field(AT, pa.int64())), keys, groups, keep)
        self._updated = pa.schema([(name, plain_type(schema.field(name).type)) for name in updated])
        self._index = index_of(self._updated, 1)
        self._next = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Store rows, which replace those with the same key."""
        numbers = pa.array(np.arange(self._next, self._next + batch.num_rows))
        self._add(batch.append_column(AT, numbers))

    def current(self, limit: int) -> Iterator[pa.RecordBatch]:
        """The rows that no other has replaced, in batches of ``limit``."""
        rows = self._pile.arrange()
        for start in range(0, rows.rows, limit):
            batch = rows.slice(start, min(rows.rows, start + limit))
            yield batch.select(batch.schema.names[:-1])

    def drop(self, group: int) -> None:
        super().drop(group)
        if not self.rows:
            self._index.clear()

    def size(self) -> tuple[int, int]:
        keys, held = size_of(self._index)
        return keys, held + super().size()[1]

    def _add(self, batch: pa.RecordBatch) -> GroupedBatch:
        self._next = max(self._next, 1 + (pc.max(batch.column(AT)).as_py() or 0))
        return super()._add(batch)

    def _places(self, batch: pa.RecordBatch) -> tuple[np.ndarray | None, np.ndarray]:
        columns = [compared(batch.column(field.name), field.type) for field in self._updated]
        return super()._places(batch)[0], slots_of(self._index, columns, batch.num_rows).slots
