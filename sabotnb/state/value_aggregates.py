"""Aggregates that store values: quantile, top_k, collect_list, and first and last of types without a kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.native import Slots, canonical
from sabotnb.state.grouped_batches import GroupedBatches, place
from sabotnb.state.retention import Retention
from sabotnb.state.row_store import FrozenRowStore, RowStore
from sabotnb.state.slot_ranges import SlotRange
from sabotnb.state.values import doubles

VALUE, ORDER = "value", "order"


class ValueAggregates:
    """The values of all keys of one aggregate; ``finish`` computes results from the kept values of consecutive slots.

    ``keep`` orders by the columns ``value`` and ``order``. Rows with a null in ``required`` are left out.
    ``finish(values, offsets)``: the values of slot i are ``values[offsets[i]:offsets[i + 1]]``, in order.
    """

    def __init__(
        self,
        columns: Sequence[str],
        types: Sequence[pa.DataType],
        keep: Retention,
        required: str | None,
        finish: Callable[[pa.Array, np.ndarray], pa.Array],
    ) -> None:
        """Collect ``columns`` (the value, and the order if there is one) as plain ``types``."""
        self._columns = columns
        self._schema = pa.schema(list(zip((VALUE, ORDER), types, strict=False)))
        self._required = required
        self._finish = finish
        self._pile = RowStore(self._schema, keep)

    @property
    def state_types(self) -> list[pa.DataType]:
        """A list of (value, order) structs per key."""
        return [pa.list_(pa.struct(list(self._schema)))]

    def update(self, slots: Slots, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch."""
        self._add(slots, [batch.column(name) for name in self._columns])

    def merge(self, slots: Slots, parts: Sequence[pa.Array]) -> None:
        """Merge a state column."""
        rows = parts[0].flatten()
        parents = np.asarray(pc.list_parent_indices(parts[0]))
        self._add(slots.take(parents), [rows.field(name) for name in self._schema.names])

    def freeze(self, groups: Sequence[int]) -> FrozenValueAggregates:
        """The values of ``groups`` as they are now; they are sorted when the view is exported."""
        return FrozenValueAggregates(self.state_types[0], self._pile.freeze(groups))

    def result(self, spans: Sequence[SlotRange]) -> pa.Array:
        """The values of the aggregate for the slots of ``spans``."""
        rows = self._pile.arrange()
        return pa.concat_arrays([self._result(rows, span) for span in spans])

    def drop(self, group: int) -> None:
        """Remove the values of ``group``."""
        self._pile.drop(group)

    def nbytes(self, group: int) -> int:
        """Memory that ``group`` holds."""
        return self._pile.bytes_of(group)

    def held(self) -> int:
        """Memory that all groups hold."""
        return self._pile.nbytes

    def _add(self, slots: Slots, columns: Sequence[pa.Array]) -> None:
        arrays = [_as_type(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        if self._required is not None and batch.column(self._required).null_count:
            valid = batch.column(self._required).is_valid()
            slots, batch = slots.take(valid.to_numpy(zero_copy_only=False)), batch.filter(valid)
        if batch.num_rows:
            self._pile.add(batch, slots.groups, slots.slots)

    def _result(self, rows: GroupedBatches, span: SlotRange) -> pa.Array:
        start, bounds = _bounds(rows, span)
        return self._finish(rows.slice(start, start + bounds[-1]).column(VALUE), bounds)


class FrozenValueAggregates:
    """The values of some groups when they were frozen."""

    def __init__(self, data_type: pa.DataType, pile: FrozenRowStore) -> None:
        self._type = data_type
        self._pile = pile
        self._sorted: tuple[int, GroupedBatches] | None = None

    def release(self, group: int) -> None:
        """Drop what was sorted of ``group``; the rows are in batches of all groups."""
        if self._sorted is not None and self._sorted[0] == group:
            self._sorted = None

    def state(self, span: SlotRange) -> list[pa.Array]:
        """A list of (value, order) for each slot of ``span``."""
        known = self._sorted
        if known is None or known[0] != span.group:
            known = self._sorted = span.group, self._pile.arranged(span.group)  # of one group at a time
        rows = known[1]
        start, bounds = _bounds(rows, span)
        found = rows.slice(start, start + bounds[-1])
        values = pa.StructArray.from_arrays(found.columns, fields=list(found.schema))
        return [pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), values, type=self._type)]


def _bounds(rows: GroupedBatches, span: SlotRange) -> tuple[int, np.ndarray]:
    """The first row of ``span``, and the offsets from there at which each slot's rows begin; the last is the end."""
    wanted = place(span.group, np.arange(span.start, span.stop + 1, dtype=np.uint64))
    bounds = np.searchsorted(rows.places, wanted)
    return int(bounds[0]), bounds - bounds[0]


def _as_type(column: pa.Array, data_type: pa.DataType) -> pa.Array:
    """Plain values of ``data_type``; numbers are rounded if a double cannot hold them."""
    column = canonical.decoded(column)
    if column.type.equals(data_type):
        return column
    return doubles(column) if pa.types.is_float64(data_type) else column.cast(data_type)


def only(values: pa.Array, offsets: np.ndarray) -> pa.Array:
    """The only value of each slot, null if there is none."""
    starts = pa.array(offsets[:-1], mask=offsets[1:] == offsets[:-1])
    return values.take(starts)


def as_lists(values: pa.Array, offsets: np.ndarray) -> pa.Array:
    """A list of all values of each slot."""
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def quantile(q: float) -> Callable[[pa.Array, np.ndarray], pa.Array]:
    """The exact ``q`` quantile of sorted doubles, linear between neighbours.

    Type 7 of R. J. Hyndman, Y. Fan, "Sample quantiles in statistical packages", The American Statistician 50 (1996).
    """

    def finish(values: pa.Array, offsets: np.ndarray) -> pa.Array:
        counts = np.diff(offsets)
        numbers = np.append(values.to_numpy(zero_copy_only=False), 0.0)
        at = q * np.maximum(counts - 1, 0)
        low = np.floor(at).astype(np.int64)
        part = at - low
        below = numbers[offsets[:-1] + low]
        above = numbers[offsets[:-1] + np.where(part > 0, low + 1, low)]
        with np.errstate(invalid="ignore", over="ignore"):
            step = above - below
            near = below + step * part
            far = below * (1 - part) + above * part  # if the step is infinite, or NaN between equal infinities
            between = np.where(part > 0, np.where(np.isfinite(step), near, far), below)
        return pa.array(between, mask=counts == 0)

    return finish
