"""Aggregating inside one batch, so that less travels: holds nothing from one batch to the next."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sabotnb.errors import ExpressionError, SchemaError
from sabotnb.expr.aggregates import AggregateLike, partial_schema
from sabotnb.native.aggregate import Rows
from sabotnb.state.layout import gathered, lay_out
from sabotnb.state.single_key import index_of, slots_of
from sabotnb.state.values import encoded_as

WORTH = 2
"""Rows per key below which aggregating a batch costs more than it saves."""

REPEAT = 32
"""Batches after which a batch-local aggregation that did not pay is tried again."""


class BatchPartials:
    """Turns batches into the mergeable form: one row per key, or per row where keys hardly repeat."""

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
        layout = lay_out(columns, schema, 1)
        self._fields = layout.fields
        self._rows = Rows(layout.width)
        self._skip = 0

    def partials(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The mergeable form of ``batch``; it has at most as many rows."""
        if self._skip:
            self._skip -= 1
            return self.lone(batch)
        keys = [batch.column(name) for name in self._keys.names]
        try:
            return self._shrunk(batch, keys)
        except ExpressionError:
            return self.lone(batch)  # a sum within the batch has no room: its summands do
        finally:
            size = self._index.size()
            if keys and size * WORTH > batch.num_rows:
                self._skip = REPEAT
            self._rows.clear(self._index.sizes())
            self._index.clear()

    def lone(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The mergeable form of each row."""
        keys = [batch.column(name) for name in self._keys.names]
        parts = [part for field in self._fields for part in field.aggregate.lone(batch)]
        return pa.RecordBatch.from_arrays([*keys, *parts], schema=self.schema)

    def _shrunk(self, batch: pa.RecordBatch, keys: Sequence[pa.Array]) -> pa.RecordBatch:
        slots = slots_of(self._index, keys, batch.num_rows)
        self._rows.reserve(self._index.sizes())
        for field in self._fields:
            field.aggregate.update(self._rows, field.offset, slots, batch)
        rows = gathered(self._rows, 0, 0, self._index.size())
        parts = [part for field in self._fields for part in field.aggregate.partial(field.of(rows))]
        found = [encoded_as(column, field.type) for column, field in zip(self._index.keys(), self._keys, strict=True)]
        return pa.RecordBatch.from_arrays([*found, *parts], schema=self.schema)
