"""Aggregate within each batch before the shuffle, so that fewer rows are sent; keeps no rows between batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pyarrow as pa

from sabotnb.errors import ExpressionError, SchemaError
from sabotnb.expr import AggregateLike, partial_schema
from sabotnb.native import Rows, Slots, codes, without_unused
from sabotnb.state.accumulator_layout import Field, lay_out
from sabotnb.state.build import MergeableAggregate
from sabotnb.state.keys import index_of, slots_of
from sabotnb.state.slot_ranges import SlotRange
from sabotnb.state.values import encoded_as

WORTH = 2
"""Rows per key below which aggregating a batch costs more than it saves."""

REPEAT = 32
"""Batches after which a batch-local aggregation that did not pay is tried again."""


class BatchPartials:
    """Converts batches to the mergeable form: one row per key, or one per input row if keys rarely repeat."""

    def __init__(self, keys: pa.Schema, columns: Sequence[AggregateLike], schema: pa.Schema) -> None:
        """Prepare for batches of ``schema``.

        Raises:
            SchemaError: an aggregate has no mergeable form.
        """
        found = partial_schema(keys.names, columns, schema)
        if found is None:
            names = [column.fn for column in columns if partial_schema([], [column], schema) is None]
            raise SchemaError(f"{', '.join(names)} cannot be aggregated in parts; aggregate whole rows instead")
        self.schema = found
        self._keys = keys
        self._index = index_of(keys, 1)
        self._layout = lay_out(columns, schema, 1)
        self._items = [
            item if isinstance(item, Field) else cast(MergeableAggregate, item) for item in self._layout.items
        ]
        self._rows = Rows(self._layout.width)
        self._skip = 0

    def partials(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The mergeable form of ``batch``: at most as many rows, and possibly several for one key."""
        if self._skip:
            self._skip -= 1
            return self.lone(batch)
        slots, size, keys = self._numbered([batch.column(name) for name in self._keys.names], batch.num_rows)
        if len(self._keys) and size * WORTH > batch.num_rows:
            self._skip = REPEAT
        try:
            return self._shrunk(batch, slots, size, keys)
        except ExpressionError:
            return self.lone(batch)  # a sum within the batch does not fit its type; its summands do
        finally:
            self._rows.clear(np.array([size], np.uint32))
            for item in self._items:
                if not isinstance(item, Field):
                    item.drop(0)

    def lone(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The mergeable form of each row."""
        keys = [encoded_as(batch.column(field.name), field.type) for field in self._keys]
        lone = [item.aggregate.lone(batch) if isinstance(item, Field) else item.lone(batch) for item in self._items]
        parts = [part for columns in lone for part in columns]
        return pa.RecordBatch.from_arrays([*keys, *parts], schema=self.schema)

    def _numbered(self, columns: Sequence[pa.Array], rows: int) -> tuple[Slots, int, list[pa.Array]]:
        """A slot for each row, the number of slots, and the keys of the slots."""
        numbered = codes(columns) if columns else None
        if numbered is not None:
            places, firsts = numbered
            return Slots(places), len(firsts), [without_unused(column.take(firsts)) for column in columns]
        slots = slots_of(self._index, columns, rows)
        size, keys = self._index.size(), self._index.view().keys()
        self._index.clear()
        return slots, size, keys

    def _shrunk(self, batch: pa.RecordBatch, slots: Slots, size: int, keys: Sequence[pa.Array]) -> pa.RecordBatch:
        self._rows.reserve(np.array([size], np.uint32))
        self._layout.update(self._rows, slots, batch)
        span = SlotRange(0, 0, size)
        rows = self._rows.read(0, 0, size)
        parts = []
        for item in self._items:
            parts += item.aggregate.partial(item.of(rows)) if isinstance(item, Field) else item.freeze([0]).state(span)
        found = [encoded_as(column, field.type) for column, field in zip(keys, self._keys, strict=True)]
        return pa.RecordBatch.from_arrays([*found, *parts], schema=self.schema)
