"""Rows that an operator holds until its input has ended, and the taking of rows by number."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pyarrow import types as t

from sabotnb.native.compact import compact, own_bytes
from sabotnb.operators.encoding import conformed


def taken(batch: pa.RecordBatch, rows: np.ndarray | pa.Array) -> pa.RecordBatch:
    """The rows of these numbers, null for a null number."""
    numbers = rows if isinstance(rows, pa.Array) else pa.array(rows)
    movable = _movable(batch.schema)
    if movable is batch.schema:
        return batch.take(numbers)
    return conformed(conformed(batch, movable).take(numbers), batch.schema)


def _movable(schema: pa.Schema) -> pa.Schema:
    """``schema`` with layouts that Arrow can take rows of, which string and binary views are not."""
    if not any(t.is_string_view(field.type) or t.is_binary_view(field.type) for field in schema):
        return schema
    large = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    return pa.schema([field.with_type(large.get(field.type, field.type)) for field in schema])


class HeldRows:
    """Batches of one schema, numbered as one table; taking rows joins the batches first."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self._movable = _movable(schema)
        self._batches: list[pa.RecordBatch] = []
        self._measured = 0
        self._nbytes = 0
        self.rows = 0

    @property
    def nbytes(self) -> int:
        """About how much memory they take; only what has come since the last question is looked at."""
        for batch in self._batches[self._measured :]:
            self._nbytes += own_bytes(batch)
        self._measured = len(self._batches)
        return self._nbytes

    def append(self, batch: pa.RecordBatch) -> None:
        """Hold ``batch``, converted to the encodings of the schema, but nothing that it was cut from."""
        self._batches.append(compact(conformed(batch, self._movable)))
        self.rows += batch.num_rows

    def table(self) -> pa.Table:
        """All rows; views of strings as large strings."""
        self._join()
        return pa.Table.from_batches(self._batches, schema=self._movable)

    def take(self, rows: np.ndarray | pa.Array) -> pa.RecordBatch:
        """The rows of these numbers as one batch, null for a null number."""
        self._join()
        numbers = rows if isinstance(rows, pa.Array) else pa.array(rows)
        if len(self._batches) == 1:
            return conformed(self._batches[0].take(numbers), self.schema)
        found = pa.Table.from_batches(self._batches, schema=self._movable).take(numbers).combine_chunks()
        batches = found.to_batches() or [pa.RecordBatch.from_pylist([], schema=self._movable)]
        return conformed(batches[0], self.schema)

    def replace(self, batch: pa.RecordBatch) -> None:
        """Hold only ``batch`` from now on."""
        self.clear()
        self.append(batch)

    def clear(self) -> None:
        """Hold nothing any more."""
        self._set([])
        self.rows = 0

    def _set(self, batches: list[pa.RecordBatch]) -> None:
        self._batches, self._measured, self._nbytes = batches, 0, 0

    def _join(self) -> None:
        """Make one batch of all where Arrow's offsets have room for it (2 GB of text in a column)."""
        if len(self._batches) > 1:
            joined = pa.Table.from_batches(self._batches, schema=self._movable).unify_dictionaries().combine_chunks()
            self._set(joined.to_batches())
