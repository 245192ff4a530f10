"""Aggregates of many tables, such as the panes of sliding windows, whose keys have their slots in one index.

Theory of operation. A key is hashed once, when its rows come; from then on it is its slot. A table so is an array of
rows of accumulators by slot (``SlotTable``), and merging two tables is a pass over arrays. A table that is only stored
keeps its rows as they came (``SlotParts``): its size is that of its own keys, however many the index has. They are
merged when they have become many, and when somebody reads them.

The index forgets keys in a sweep: the keys of the tables that there still are get new slots in a new index, and the
rows of these tables are renumbered. A sweep costs as much as adding these keys again; the owner asks for one when
the index has grown to twice its size after the last one, so memory follows the number of keys in use. Frozen views have
the keys and rows of their time, which nothing changes.

All methods run in the thread of the task. Only frozen views may be read in other threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from sabotnb.expr import AggregateLike, result_schema
from sabotnb.native import KeyIndex, KeyView
from sabotnb.state.accumulator_layout import lay_out, state_fields
from sabotnb.state.key_set import KeySet
from sabotnb.state.keys import View, index_of, plain_keys, slots_of
from sabotnb.state.partials import BatchPartials
from sabotnb.state.slot_ranges import PIECE_ROWS, in_pieces
from sabotnb.state.slot_table import SlotParts, SlotTable
from sabotnb.state.values import encoded_as

FEW_KEYS = 1 << 14
"""Keys that an index may have without a sweep."""

MANY_PARTS = 16
FEW_ROWS = 1 << 12
"""Rows of a table are merged when they are in so many parts, and have doubled; those of small ones at this number."""


class SharedSlots:
    """The index of keys, and how their aggregates are computed."""

    def __init__(self, keys: pa.Schema, columns: Sequence[AggregateLike], schema: pa.Schema) -> None:
        """Aggregate ``columns`` over batches of ``schema``; each has a mergeable form."""
        self._keys = keys
        self._columns = columns
        self._schema = schema
        self._index = index_of(keys, 1)
        self._partials = BatchPartials(keys, columns, schema)
        self._results = result_schema(keys.names, columns, schema)
        self._swept = 0
        self._key_count = len(keys)
        self.subtracts = all(column.fn == "count" for column in columns)
        """True if rows can be taken back from a table."""
        layout = lay_out(columns, schema, 1)
        self.schema = pa.schema(plain_keys(self._index, keys) + state_fields(layout, columns, schema))

    def table(self) -> SlotTable:
        """An empty table."""
        return SlotTable(self._columns, self._schema)

    def partials(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The mergeable form of rows of the input."""
        return self._partials.partials(batch)

    def parts(self, batch: pa.RecordBatch) -> SlotParts:
        """Rows of the mergeable form, or exported rows, with the slots of their keys."""
        slots = slots_of(self._index, batch.columns[: self._key_count], batch.num_rows).slots
        return SlotParts(slots, tuple(batch.columns[self._key_count :]))

    def view(self) -> View:
        """The keys by slot as they are now."""
        return self._index.view()

    def nbytes(self) -> int:
        """Memory of the index."""
        return self._index.nbytes()

    def results(self, table: SlotTable, limit: int, among: KeySet | None) -> Iterator[pa.RecordBatch]:
        """Yield a row per key of ``table``, or per key ``among`` some, in batches of at most ``limit`` rows."""
        slots = table.slots()
        for start in range(0, len(slots), limit):
            chosen = slots[start : start + limit]
            keys = self._keys_of(chosen)
            mask = None if among is None else among.has(keys)
            if mask is not None and not mask.any():
                continue
            batch = pa.RecordBatch.from_arrays([*keys, *table.results(chosen)], schema=self._results)
            yield batch if mask is None else batch.filter(pa.array(mask))

    def is_due(self) -> bool:
        """True if the index has twice as many keys as after the last sweep."""
        return self._index.size() > max(FEW_KEYS, 2 * self._swept)

    def sweep(self, tables: Sequence[SharedAggregates]) -> None:
        """Remove the keys that none of ``tables``, which are all there are, has; their slots change."""
        if not isinstance(self._index, KeyIndex):
            return
        used = np.zeros(self._index.size(), np.bool_)
        for table in tables:
            for rows in table.held:
                used[rows.slots] = True
        slots, index = np.flatnonzero(used).astype(np.uint32), index_of(self._keys, 1)
        numbers = np.zeros(len(used), np.uint32)
        if len(slots):
            numbers[slots] = slots_of(index, self._index.view().take(slots), len(slots)).slots
        self._index, self._swept = index, len(slots)
        for table in tables:
            table.held = [SlotParts(numbers[rows.slots], rows.columns) for rows in table.held]

    def _keys_of(self, slots: np.ndarray) -> list[pa.Array]:
        if not isinstance(self._index, KeyIndex):
            return []
        found = self._index.view().take(slots)
        return [encoded_as(column, field.type) for column, field in zip(found, self._keys, strict=True)]


class SharedAggregates:
    """Aggregates per key, as ``GroupedAggregates`` with one key group; ``shared`` has the slots of its keys."""

    def __init__(self, shared: SharedSlots, table: SlotTable | None = None) -> None:
        """Store rows; or read those of ``table``, and then add none."""
        self._shared = shared
        self._table = table
        self._merged_rows = 0
        self.held: list[SlotParts] = []
        self.schema = shared.schema

    def update(self, batch: pa.RecordBatch) -> None:
        """Add rows of the input."""
        self.merge(self._shared.partials(batch))

    def merge(self, batch: pa.RecordBatch) -> None:
        """Merge rows of the partial form, or exported rows."""
        self.held.append(self._shared.parts(batch))
        if len(self.held) >= MANY_PARTS and self._count() > max(FEW_ROWS, 2 * self._merged_rows):
            self.parts()

    def parts(self) -> SlotParts:
        """The rows in one part, with a row for each key."""
        if not self._is_merged():
            self.held = [self._read().parts()]
            self._merged_rows = self._count()
        return self.held[0]

    def results(self, limit: int = PIECE_ROWS, among: KeySet | None = None) -> Iterator[pa.RecordBatch]:
        """Yield one row per key, or per key ``among`` some, in batches of at most ``limit`` rows."""
        return self._shared.results(self._read(), limit, among)

    def groups(self) -> Sequence[int]:
        return [0] if self._count() else []

    def freeze(self, groups: Sequence[int]) -> FrozenParts:
        return FrozenParts(self._shared, tuple(self.held), exact=self._is_merged())

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        return self.freeze([group]).export(group)

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        for batch in batches:
            self.merge(batch)

    def drop(self, group: int) -> None:
        self.held, self._merged_rows = [], 0

    def nbytes(self, group: int) -> int:
        return sum(rows.nbytes for rows in self.held)

    def size(self) -> tuple[int, int]:
        return self._count() if self._table is None else len(self._table.slots()), self.nbytes(0)

    def _is_merged(self) -> bool:
        return len(self.held) == 1 and self._merged_rows == self._count()

    def _count(self) -> int:
        return sum(len(rows.slots) for rows in self.held)

    def _read(self) -> SlotTable:
        if self._table is not None:
            return self._table
        table = self._shared.table()
        for rows in self.held:
            table.merge(rows)
        return table


class FrozenParts:
    """The rows of a table when they were frozen; may be read from any thread, by one at a time.

    They are merged when they are exported first, and then all kept in that form.
    """

    def __init__(self, shared: SharedSlots, rows: Sequence[SlotParts], *, exact: bool) -> None:
        """``exact``: there is a row for each key already."""
        self._schema = shared.schema
        self._keys = shared.view()
        self._rows = rows
        self._table = None if exact else shared.table

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The keys and the state of their aggregates."""
        if self._table is not None:
            table, self._table = self._table(), None
            for rows in self._rows:
                table.merge(rows)
            self._rows = (table.parts(),)
        return in_pieces(sum(len(rows.slots) for rows in self._rows), self._piece)

    def _piece(self, start: int, stop: int) -> pa.RecordBatch:
        (rows,) = self._rows
        slots = rows.slots[start:stop]
        keys = self._keys.take(slots) if isinstance(self._keys, KeyView) else []
        columns = [column.slice(start, stop - start) for column in rows.columns]
        return pa.RecordBatch.from_arrays([*keys, *columns], schema=self._schema)
