"""Aggregates that need values themselves: rows of (key, value) that are put in order and cut now and then.

Rows pile up as they come. When they are as many as what is kept already, they are sorted into the kept ones and those
that cannot matter any more are dropped; so a top-k keeps k values per key, a quantile keeps all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.native import canonical
from sabotnb.native.compact import compact_array
from sabotnb.native.keyindex import Slots
from sabotnb.state.spans import Span
from sabotnb.state.values import doubles, sortable

PILE_ROWS = 1 << 18
PILE_BYTES = 64 << 20
"""What may pile up, however little is kept."""


class Direction(str, Enum):
    """As ``pc.sort_indices`` spells it."""

    UP = "ascending"
    DOWN = "descending"


@dataclass(frozen=True, slots=True)
class Keep:
    """What is kept of a key: its first ``limit`` rows (None: all) by ``order`` and then by ``value``."""

    limit: int | None = None
    order: Direction | None = None
    value: Direction | None = None
    nulls: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows of one key group, by slot and then as ``Keep`` says. Immutable."""

    slots: np.ndarray
    values: pa.Array
    orders: pa.Array | None

    @property
    def nbytes(self) -> int:
        """Bytes of all three columns."""
        orders = 0 if self.orders is None else self.orders.nbytes
        return int(self.slots.nbytes) + int(self.values.nbytes) + int(orders)


PLACE_BYTES = 6
"""Of the group and the slot of a row."""


@dataclass(slots=True)
class _Pile:
    rows: int = 0
    nbytes: int = 0
    groups: list[np.ndarray] = field(default_factory=list)
    slots: list[np.ndarray] = field(default_factory=list)
    values: list[pa.Array] = field(default_factory=list)
    orders: list[pa.Array] = field(default_factory=list)


class Collected:
    """Values of all keys of one aggregate; ``finish`` makes an array of the kept values of consecutive slots.

    ``finish(values, offsets)``: the values of slot i are ``values[offsets[i]:offsets[i + 1]]``, in order.
    """

    def __init__(
        self,
        column: str,
        by: str | None,
        types: tuple[pa.DataType, pa.DataType | None],
        keep: Keep,
        finish: Callable[[pa.Array, np.ndarray], pa.Array],
    ) -> None:
        self._column = column
        self._by = by
        self._value_type, self._order_type = types
        parts = {"value": self._value_type} | ({} if types[1] is None else {"order": types[1]})
        self._row_type = pa.struct(parts)
        self._keep = keep
        self._finish = finish
        self._kept: dict[int, Kept] = {}
        self._kept_rows = self._kept_bytes = 0
        self._pile = _Pile()

    @property
    def state_types(self) -> list[pa.DataType]:
        """A list of (value, order) of each key."""
        return [pa.list_(self._row_type)]

    def update(self, slots: Slots, batch: pa.RecordBatch) -> None:
        """Take the rows of a batch."""
        order = None if self._by is None else batch.column(self._by)
        self._add(slots, batch.column(self._column), order)

    def merge(self, slots: Slots, parts: Sequence[pa.Array]) -> None:
        """Take a state column."""
        rows = parts[0].flatten()
        parents = np.asarray(pc.list_parent_indices(parts[0]))
        order = None if self._order_type is None else rows.field("order")
        self._add(slots.take(parents), rows.field("value"), order)

    def freeze(self, groups: Sequence[int]) -> FrozenCollected:
        """What is kept of ``groups``."""
        self.settle()
        return FrozenCollected(self._row_type, {group: self._kept.get(group) for group in groups})

    def detach(self, group: int) -> None:
        """Nothing that is kept ever changes."""

    def result(self, spans: Sequence[Span]) -> pa.Array:
        """The values of the aggregate for the slots of ``spans``."""
        self.settle()
        return pa.concat_arrays([self._result(self._kept.get(span.group), span) for span in spans])

    def drop(self, group: int) -> None:
        """Forget ``group``."""
        self.settle()
        self._kept.pop(group, None)
        self._count_kept()

    def nbytes(self, group: int) -> int:
        """Memory that ``group`` holds."""
        self.settle()
        return self._kept[group].nbytes if group in self._kept else 0

    def held(self) -> int:
        """Bytes of what is kept and of what has piled up."""
        return self._pile.nbytes + self._kept_bytes

    def settle(self) -> None:
        """Sort what has piled up into what is kept."""
        pile, self._pile = self._pile, _Pile()
        if pile.rows == 0:
            return
        groups = np.concatenate(pile.groups)
        order = np.argsort(groups, kind="stable")
        present, starts = np.unique(groups[order], return_index=True)
        slots, values = np.concatenate(pile.slots), pa.concat_arrays(pile.values)
        orders = pa.concat_arrays(pile.orders) if pile.orders else None
        for group, rows in zip(present.tolist(), np.split(order, starts[1:]), strict=True):
            new = Kept(
                slots[rows], values.take(pa.array(rows)), None if orders is None else orders.take(pa.array(rows))
            )
            old = self._kept.get(group)
            self._kept[group] = self._trimmed(new if old is None else _joined(old, new))
        self._count_kept()

    def _count_kept(self) -> None:
        self._kept_rows = sum(len(kept.slots) for kept in self._kept.values())
        self._kept_bytes = sum(kept.nbytes for kept in self._kept.values())

    def _add(self, slots: Slots, values: pa.Array, orders: pa.Array | None) -> None:
        values = _as_type(values, self._value_type)
        wanted = None if self._keep.nulls else values
        if orders is not None:
            orders = _as_type(orders, self._order_type)
            wanted = orders
        if wanted is not None and wanted.null_count:
            valid = wanted.is_valid()
            slots = slots.take(valid.to_numpy(zero_copy_only=False))
            values = values.filter(valid)
            orders = None if orders is None else orders.filter(valid)
        pile = self._pile
        pile.rows += len(slots)
        pile.nbytes += values.nbytes + (0 if orders is None else orders.nbytes) + PLACE_BYTES * len(slots)
        pile.groups.append(np.zeros(len(slots), np.uint16) if slots.groups is None else slots.groups)
        pile.slots.append(slots.slots)
        pile.values.append(compact_array(values))
        if orders is not None:
            pile.orders.append(compact_array(orders))
        if pile.rows > max(PILE_ROWS, self._kept_rows) or pile.nbytes > max(PILE_BYTES, self._kept_bytes):
            self.settle()

    def _trimmed(self, rows: Kept) -> Kept:
        columns: dict[str, pa.Array] = {"slot": pa.array(rows.slots)}
        keys = [("slot", Direction.UP.value)]
        for name, direction, column in (
            ("order", self._keep.order, rows.orders),
            ("value", self._keep.value, rows.values),
        ):
            if direction is not None and column is not None and (sorted_by := sortable(column)) is not None:
                columns[name] = sorted_by
                keys.append((name, direction.value))
        order = pc.sort_indices(pa.table(columns), sort_keys=keys).to_numpy()
        slots = rows.slots[order]
        if self._keep.limit is not None:
            starts = np.searchsorted(slots, slots, side="left")
            few = np.arange(len(slots)) - starts < self._keep.limit
            order, slots = order[few], slots[few]
        indices = pa.array(order)
        return Kept(slots, rows.values.take(indices), None if rows.orders is None else rows.orders.take(indices))

    def _result(self, kept: Kept | None, span: Span) -> pa.Array:
        if kept is None:
            return self._finish(pa.array([], self._value_type), np.zeros(len(span) + 1, np.int64))
        bounds = np.searchsorted(kept.slots, np.arange(span.start, span.stop + 1, dtype=np.uint32))
        return self._finish(kept.values.slice(bounds[0], bounds[-1] - bounds[0]), bounds - bounds[0])


class FrozenCollected:
    """What was kept of the keys of some groups."""

    def __init__(self, row_type: pa.StructType, kept: Mapping[int, Kept | None]) -> None:
        self._row_type = row_type
        self._kept = kept

    def state(self, span: Span) -> list[pa.Array]:
        """A list of (value, order) for each slot of ``span``."""
        kept = self._kept[span.group]
        if kept is None:
            return [pa.array([[]] * len(span), pa.list_(self._row_type))]
        columns = [kept.values] if kept.orders is None else [kept.values, kept.orders]
        bounds = np.searchsorted(kept.slots, np.arange(span.start, span.stop + 1, dtype=np.uint32))
        rows = pa.StructArray.from_arrays(columns, fields=list(self._row_type)).slice(bounds[0], bounds[-1] - bounds[0])
        offsets = pa.array(bounds - bounds[0], pa.int32())
        return [pa.ListArray.from_arrays(offsets, rows, type=pa.list_(self._row_type))]


def _as_type(column: pa.Array, data_type: pa.DataType) -> pa.Array:
    """Plain values of ``data_type``; numbers are rounded where a double has no room for them."""
    column = canonical.decoded(column)
    if column.type.equals(data_type):
        return column
    return doubles(column) if pa.types.is_float64(data_type) else column.cast(data_type)


def _joined(old: Kept, new: Kept) -> Kept:
    orders = None if old.orders is None else pa.concat_arrays([old.orders, new.orders])
    return Kept(np.concatenate([old.slots, new.slots]), pa.concat_arrays([old.values, new.values]), orders)


def only(values: pa.Array, offsets: np.ndarray) -> pa.Array:
    """The one value of each slot, null where there is none."""
    starts = pa.array(offsets[:-1], mask=offsets[1:] == offsets[:-1])
    return values.take(starts)


def as_lists(values: pa.Array, offsets: np.ndarray) -> pa.Array:
    """All values of each slot."""
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def quantile(q: float) -> Callable[[pa.Array, np.ndarray], pa.Array]:
    """The exact ``q`` quantile of sorted doubles, linear between neighbours.

    Type 7 of R. J. Hyndman, Y. Fan, "Sample quantiles in statistical packages", The American Statistician 50 (1996).
    """

    def finish(values: pa.Array, offsets: np.ndarray) -> pa.Array:
        counts = np.diff(offsets)
        numbers = np.append(values.to_numpy(zero_copy_only=False), 0.0)
        place = q * np.maximum(counts - 1, 0)
        low = np.floor(place).astype(np.int64)
        part = place - low
        below = numbers[offsets[:-1] + low]
        above = numbers[offsets[:-1] + np.where(part > 0, low + 1, low)]
        with np.errstate(invalid="ignore"):
            between = np.where(part > 0, below + (above - below) * part, below)
        return pa.array(between, mask=counts == 0)

    return finish
