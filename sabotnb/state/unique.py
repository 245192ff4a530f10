"""Count distinct values exactly (``n_unique``): an index of (slot, value) pairs, and a counter per key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.native import FieldUpdates, KeyIndex, KeyView, Rows, Slots, canonical
from sabotnb.state.slot_ranges import SlotRange


class Unique:
    """The number of distinct values of ``column`` per key, without nulls; all NaN are one value."""

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
        """Add the rows of a batch."""
        self._add(slots, batch.column(self._column))

    def merge(self, slots: Slots, parts: Sequence[pa.Array]) -> None:
        """Merge a column of ``lone`` or a state column."""
        self._add(slots.take(np.asarray(pc.list_parent_indices(parts[0]))), parts[0].flatten())

    def lone(self, batch: pa.RecordBatch) -> list[pa.Array]:
        """A list per row: its value, or empty for a null."""
        values = canonical.decoded(batch.column(self._column))
        bounds = np.zeros(len(values) + 1, np.int32)
        np.cumsum(values.is_valid().to_numpy(zero_copy_only=False), out=bounds[1:])
        return [pa.ListArray.from_arrays(pa.array(bounds), values.drop_null().cast(self._type), type=self._list)]

    def freeze(self, groups: Sequence[int]) -> FrozenUnique:
        """The pairs of ``groups`` as they are now. Pairs are only added; counters are not part of the frozen state."""
        return FrozenUnique(self._list, {group: self._pairs.view(group) for group in groups})

    def result(self, spans: Sequence[SlotRange]) -> pa.Array:
        """The counts of the slots of ``spans``."""
        return pa.array(np.concatenate([self._count(span) for span in spans]))

    def drop(self, group: int) -> None:
        """Remove the state of ``group``."""
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
        # ``within``: a pair is in the group of its key, not in that of its own hash, so that it moves with the key.
        found = self._pairs.upsert([pa.array(slots.slots), values], fresh=True, within=slots)
        new = slots.take(np.asarray(found.fresh))
        self._counts.reserve(room_for(new, self._counts.groups))
        updates = FieldUpdates(self._counts, new)
        updates.count_rows(0)
        updates.run()

    def _count(self, span: SlotRange) -> np.ndarray:
        counts: np.ndarray = self._counts.read(span.group, span.start, span.stop).view(np.int64)[:, 0]
        return counts


class FrozenUnique:
    """The frozen pairs of ``Unique``; they are sorted by key when they are exported."""

    def __init__(self, data_type: pa.DataType, pairs: Mapping[int, KeyView]) -> None:
        self._type = data_type
        self._pairs = dict(pairs)
        self._order: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def release(self, group: int) -> None:
        """Drop the pairs of ``group``, and their order."""
        self._pairs.pop(group, None)
        self._order.pop(group, None)

    def state(self, span: SlotRange) -> list[pa.Array]:
        """A list of values for each slot of ``span``."""
        pairs = self._pairs[span.group]
        order, slots = self._ordered(span.group)
        bounds = np.searchsorted(slots, np.arange(span.start, span.stop + 1, dtype=np.uint32))
        values = pairs.take(order[bounds[0] : bounds[-1]])[1]
        return [pa.ListArray.from_arrays(pa.array(bounds - bounds[0], pa.int32()), values, type=self._type)]

    def _ordered(self, group: int) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of the pairs sorted by the slot of their key, and these slots."""
        if group not in self._order:
            pairs = self._pairs[group]
            slots = pairs.take(np.arange(len(pairs)), columns=1)[0].to_numpy()
            order = np.argsort(slots, kind="stable")
            self._order[group] = order, slots[order]
        return self._order[group]


def room_for(slots: Slots, groups: int) -> np.ndarray:
    """The number of rows that each group needs for the largest of its ``slots``."""
    needed = np.zeros(groups, np.uint32)
    if slots.groups is None:
        needed[0] = int(slots.slots.max(initial=0)) + 1 if len(slots) else 0
    else:
        np.maximum.at(needed, slots.groups, slots.slots + np.uint32(1))
    return needed
