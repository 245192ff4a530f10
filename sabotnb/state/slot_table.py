"""Accumulators by slot, of keys whose slots several tables share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.expr import AggregateLike
from sabotnb.native import Rows, Slots
from sabotnb.native import aggregate as kernels
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
        columns = iter(rows.columns)
        for item in self._layout.items:
            if isinstance(item, Field):
                item.aggregate.merge(self._rows, item.offset, slots, [next(columns) for _ in range(item.parts)])
            else:
                item.merge(slots, [next(columns) for _ in item.state_types])
        kernels.count_rows(self._rows, self._counted_at, slots)

    def subtract(self, rows: SlotParts) -> None:
        """Take back ``rows`` that were merged before; all aggregates are counts."""
        slots = self._slots(rows)
        for item, column in zip(self._layout.items, rows.columns, strict=True):
            assert isinstance(item, Field)
            item.aggregate.merge(self._rows, item.offset, slots, [pc.negate(column)])
        kernels.add(self._rows, self._counted_at, slots, pa.array(np.full(len(slots), -1, np.int64)))

    def slots(self) -> np.ndarray:
        """The slots of the keys that the table has, ascending."""
        buffer = self._rows.buffer()
        if buffer is None:
            return np.zeros(0, np.uint32)
        return np.flatnonzero(column_at(buffer[: self._room], self._counted_at, np.int64)).astype(np.uint32)

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
                item.detach(0)
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

    def _slots(self, rows: SlotParts) -> Slots:
        """Reserve room for the slots of ``rows``."""
        if len(rows.slots):
            self._room = max(self._room, int(rows.slots.max()) + 1)
        self._rows.reserve(np.array([self._room], np.uint32))
        return Slots(rows.slots)

    def _of(self, slots: np.ndarray) -> Bytes:
        """A copy of the accumulators of ``slots``."""
        buffer = self._rows.buffer()
        return np.zeros((0, self._counted_at), np.uint8) if buffer is None else buffer[slots]
