"""Accumulators by slot, of keys whose slots several tables share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.expr import AggregateLike
from sabotnb.native import FieldUpdates, Rows, Slots
from sabotnb.state.accumulator_layout import Field, lay_out
from sabotnb.state.fixed_width import Bytes, column_at
from sabotnb.state.slot_ranges import SlotRange


class SlotParts(NamedTuple):
    """Mergeable columns of all aggregates, and the slot of each row; a slot may have several rows."""

    slots: np.ndarray
    columns: tuple[pa.Array, ...]

    @property
    def nbytes(self) -> int:
        """Memory of the rows."""
        return int(self.slots.nbytes + sum(column.nbytes for column in self.columns))


class SlotTable:
    """The aggregates of some of the keys of an index that is not its own.

    Every row of accumulators ends with the number of rows that were merged into it: it is 0 for keys that the table
    does not have.
    """

    def __init__(self, columns: Sequence[AggregateLike], schema: pa.Schema) -> None:
        layout = lay_out(columns, schema, 1)
        self._layout = layout
        self._counted_at = layout.width
        self._rows = Rows(layout.width + 8)
        self._room = 0

    def merge(self, rows: SlotParts) -> None:
        """Merge rows of the partial form or exported rows."""
        slots = self._slots(rows)
        self._layout.merge(self._rows, slots, rows.columns)
        self._count(slots, 1)

    def subtract(self, rows: SlotParts) -> None:
        """Take back ``rows`` that were merged before; all aggregates are counts."""
        slots = self._slots(rows)
        self._layout.merge(self._rows, slots, [pc.negate(column) for column in rows.columns])
        self._count(slots, -1)

    def slots(self) -> np.ndarray:
        """The slots of the keys that the table has, ascending."""
        rows = self._rows.read(0, 0, self._room)
        return np.flatnonzero(column_at(rows, self._counted_at, np.int64)).astype(np.uint32)

    def parts(self) -> SlotParts:
        """The exact state columns of the keys that the table has."""
        slots = self.slots()
        rows, columns = self._of(slots), list[pa.Array]()
        for item in self._layout.items:
            if isinstance(item, Field):
                columns += item.aggregate.state(item.of(rows))
            else:
                found = item.freeze([0]).state(SlotRange(0, 0, self._room))
                columns += [column.take(pa.array(slots)) for column in found]
        return SlotParts(slots, tuple(columns))

    def results(self, slots: np.ndarray) -> list[pa.Array]:
        """The values of all aggregates for ``slots``."""
        rows = self._of(slots)
        return [
            item.aggregate.result(item.of(rows))
            if isinstance(item, Field)
            else item.result([SlotRange(0, 0, self._room)]).take(pa.array(slots))
            for item in self._layout.items
        ]

    def clear(self) -> None:
        """Remove all keys, and keep the memory for the next ones."""
        self._rows.clear(np.array([self._room], np.uint32))
        for item in self._layout.loose:
            item.drop(0)
        self._room = 0

    def _count(self, slots: Slots, rows: int) -> None:
        """Add ``rows`` to the number of rows that were merged into each of ``slots``."""
        updates = FieldUpdates(self._rows, slots)
        updates.add(self._counted_at, pa.array(np.full(len(slots), rows, np.int64)))
        updates.run()

    def _slots(self, rows: SlotParts) -> Slots:
        """Reserve room for the slots of ``rows``."""
        if len(rows.slots):
            self._room = max(self._room, int(rows.slots.max()) + 1)
        self._rows.reserve(np.array([self._room], np.uint32))
        return Slots(rows.slots)

    def _of(self, slots: np.ndarray) -> Bytes:
        """A copy of the accumulators of ``slots``."""
        rows: Bytes = self._rows.read(0, 0, self._room)[slots]
        return rows
