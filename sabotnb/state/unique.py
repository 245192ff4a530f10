"""Counting distinct values exactly: an index of (key, value) pairs beside a counter per key."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.native import aggregate as kernels
from sabotnb.native import canonical
from sabotnb.native.keyindex import KeyIndex, Slots
from sabotnb.native.rows import Rows
from sabotnb.state.spans import Span


class Unique:
    """How many distinct values of ``column`` that are not null each key has met; NaN is one value."""

    def __init__(self, column: str, data_type: pa.DataType, groups: int) -> None:
        self._column = column
        self._type = data_type
        self._list = pa.list_(data_type)
        self._pairs = KeyIndex([pa.uint32(), data_type], groups)
        self._counts = Rows(8, groups)

    @property
    def state_types(self) -> list[pa.DataType]:
        """A list of the distinct values of each key."""
        return [self._list]

    def update(self, slots: Slots, batch: pa.RecordBatch) -> None:
        """Take the rows of a batch."""
        self._add(slots, batch.column(self._column))

    def merge(self, slots: Slots, parts: Sequence[pa.Array]) -> None:
        """Take a column that ``lone`` or ``snapshot`` made."""
        self._add(slots.take(np.asarray(pc.list_parent_indices(parts[0]))), parts[0].flatten())

    def lone(self, batch: pa.RecordBatch) -> list[pa.Array]:
        """A list of the one value of each row, or of none."""
        values = canonical.decoded(batch.column(self._column))
        bounds = np.zeros(len(values) + 1, np.int32)
        np.cumsum(values.is_valid().to_numpy(zero_copy_only=False), out=bounds[1:])
        return [pa.ListArray.from_arrays(pa.array(bounds), values.drop_null().cast(self._type), type=self._list)]

    def snapshot(self, group: int, size: int) -> Callable[[], list[pa.Array]]:
        """The state column of the ``size`` slots of ``group`` as they are now."""
        state = self._state(group, size)
        return lambda: [state]

    def result(self, spans: Sequence[Span]) -> pa.Array:
        """The counts of the slots of ``spans``."""
        return pa.array(np.concatenate([self._count(span) for span in spans]))

    def drop(self, group: int) -> None:
        """Forget ``group``."""
        self._pairs.drop(group)
        self._counts.drop(group)

    def nbytes(self, group: int) -> int:
        """Memory that ``group`` holds."""
        return self._pairs.nbytes(group) + self._counts.nbytes(group)

    def held(self) -> int:
        """Memory that all groups hold."""
        return sum(self.nbytes(group) for group in range(self._counts.groups))

    def _add(self, slots: Slots, values: pa.Array) -> None:
        values = canonical.decoded(values)
        if values.null_count:
            valid = values.is_valid()
            slots, values = slots.take(valid.to_numpy(zero_copy_only=False)), values.filter(valid)
        found = self._pairs.upsert([pa.array(slots.slots), values], fresh=True, within=slots)
        new = slots.take(np.asarray(found.fresh))
        self._counts.reserve(room_for(new, self._counts.groups))
        kernels.count_rows(self._counts, 0, new)

    def _count(self, span: Span) -> np.ndarray:
        counts = np.zeros(len(span), np.int64)
        buffer = self._counts.buffer(span.group)
        if buffer is not None:
            known = buffer[span.start : span.stop].reshape(-1).view(np.int64)
            counts[: len(known)] = known
        return counts

    def _state(self, group: int, size: int) -> pa.Array:
        slots, values = self._pairs.keys(group)
        order = np.argsort(slots.to_numpy(), kind="stable")
        bounds = np.searchsorted(slots.to_numpy()[order], np.arange(size + 1, dtype=np.uint32))
        return pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), values.take(pa.array(order)), type=self._list)


def room_for(slots: Slots, groups: int) -> np.ndarray:
    """Room in each group for the largest of its slots."""
    needed = np.zeros(groups, np.uint32)
    if slots.groups is None:
        needed[0] = int(slots.slots.max(initial=0)) + 1 if len(slots) else 0
    else:
        np.maximum.at(needed, slots.groups, slots.slots + np.uint32(1))
    return needed
