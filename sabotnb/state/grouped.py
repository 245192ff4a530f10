"""Aggregates per key: the keyed state of ``group_by``.

Theory of operation. The state of a key has three parts, and all are found by the key's group and slot (``keys``):

- the key itself, in the index;
- one row of accumulators in ``Rows``, with a field for each aggregate of fixed width (``Field``);
- for each other aggregate (texts, values, sketches, classes of the user) an object that stores its state itself.

A batch is processed in a fixed order. Keys get slots; ``Rows`` reserves room for them; aggregates of variable width
update, one after the other; then the fields of all others update together, block by block (``FieldUpdates``). Kernels
write through raw pointers and check nothing, so no update may start before room is reserved. If an aggregate raises,
others have already taken the batch: the state is then inconsistent and must not be used again.

``freeze`` copies no rows. A frozen view shares the memory of the index, whose first slots never change, and the pages
of accumulators, which do change in place. While a view is in use, a batch therefore saves the rows that it is the first
to change (``native.row_image``): it pays for its own rows, not for the size of the state. Keys that arrive after
``freeze`` are not in the view, although they may be in the same memory.

All methods run in the thread of the task. Only the frozen view may be read in other threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from sabotnb.expr import AggregateLike, result_schema
from sabotnb.native import Rows, Slots
from sabotnb.state.accumulator_layout import Field, lay_out, state_fields
from sabotnb.state.frozen import FrozenAggregates, FrozenGroup
from sabotnb.state.key_set import KeySet
from sabotnb.state.keys import (
    check_group,
    expect_keys,
    groups_in,
    groups_of,
    index_of,
    key_columns,
    plain_keys,
    size_of,
    slots_of,
)
from sabotnb.state.slot_ranges import PIECE_ROWS, cut


class GroupedAggregates:
    """Aggregates of each key: an index of keys, a row of accumulators per key, and the state of variable width.

    Implements ``protocol.KeyedState``. Without key columns there is a single key, in group 0, from the start.
    """

    def __init__(self, keys: pa.Schema, columns: Sequence[AggregateLike], schema: pa.Schema, groups: int = 1) -> None:
        """Aggregate ``columns`` over batches of ``schema``, which has the fields of ``keys``.

        Raises:
            SchemaError, TypeMismatch: a key or an aggregate that its column's type does not have.
            ModuleMissing: an approximate aggregate without its package.
        """
        groups = groups if len(keys) else 1
        self._keys = keys
        self._index = index_of(keys, groups)
        self._layout = lay_out(columns, schema, groups)
        self._rows = Rows(self._layout.width, groups)
        self._results = result_schema(keys.names, columns, schema)
        self.schema = pa.schema(plain_keys(self._index, keys) + state_fields(self._layout, columns, schema))

    def update(self, batch: pa.RecordBatch) -> None:
        """Add the rows of ``batch`` to the aggregates of their keys.

        Raises:
            ExpressionError: a sum does not fit 128 bits.
            UserFunctionError: a class of the user raised.
        """
        slots = self._slots([batch.column(name) for name in self._keys.names], batch.num_rows)
        self._layout.update(self._rows, slots, batch)

    def merge(self, batch: pa.RecordBatch) -> Slots:
        """Merge rows of the partial form (keys, then columns of ``partial_fields``) or exported rows of ``schema``."""
        keys, columns = batch.columns[: len(self._keys)], batch.columns[len(self._keys) :]
        slots = self._slots(keys, batch.num_rows)
        self._layout.merge(self._rows, slots, columns)
        return slots

    def results(self, limit: int = PIECE_ROWS, among: KeySet | None = None) -> Iterator[pa.RecordBatch]:
        """Yield one row per key, or per key that is ``among`` some, in batches of at most ``limit`` rows.

        Raises:
            ExpressionError: a sum does not fit its type.
            UserFunctionError: a class of the user raised, or returned a value of another type than it declares.
        """
        for spans in cut(((group, self._index.size(group)) for group in self.groups()), limit):
            keys = key_columns(self._index, spans, self._keys)
            mask = None if among is None else among.has(keys)
            if mask is not None and not mask.any():
                continue
            rows = np.concatenate([self._rows.read(span.group, span.start, span.stop) for span in spans])
            columns = [
                item.aggregate.result(item.of(rows)) if isinstance(item, Field) else item.result(spans)
                for item in self._layout.items
            ]
            batch = pa.RecordBatch.from_arrays([*keys, *columns], schema=self._results)
            yield batch if mask is None else batch.filter(pa.array(mask))

    def groups(self) -> Sequence[int]:
        return groups_in(self._index)

    def freeze(self, groups: Sequence[int]) -> FrozenAggregates:
        items = tuple(item if isinstance(item, Field) else item.freeze(groups) for item in self._layout.items)
        views = {group: self._frozen(group) for group in groups}
        return FrozenAggregates(self.schema, items, views)

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        return self.freeze([group]).export(group)

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        for batch in batches:
            expect_keys(self._index, group, batch.num_rows)
            check_group(group, groups_of(self.merge(batch)))

    def drop(self, group: int) -> None:
        self._index.drop(group)
        self._rows.drop(group)
        for item in self._layout.loose:
            item.drop(group)

    def nbytes(self, group: int) -> int:
        held = sum(item.nbytes(group) for item in self._layout.loose)
        return self._index.nbytes(group) + self._rows.nbytes(group) + held

    def size(self) -> tuple[int, int]:
        keys, held = size_of(self._index)
        rows = sum(self._rows.nbytes(group) for group in range(self._rows.groups))
        return keys, held + rows + sum(item.held() for item in self._layout.loose)

    def _slots(self, keys: Sequence[pa.Array], rows: int) -> Slots:
        """Find or add the slots of these keys, and reserve room for them."""
        slots = slots_of(self._index, keys, rows)
        self._rows.reserve(self._index.sizes())
        return slots

    def _frozen(self, group: int) -> FrozenGroup:
        return FrozenGroup(self._index.view(group), self._rows.freeze(group, self._index.size(group)))
