"""The same values in another Arrow encoding: dictionaries, large and view layouts of text and bytes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sabotnb.native.layouts import plain_schema


def conformed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """``batch`` in the encodings of ``schema``, which has the same names and values of the same types."""
    if batch.schema.equals(schema):
        return batch
    columns = [
        column if column.type.equals(field.type) else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def taken(batch: pa.RecordBatch, rows: np.ndarray) -> pa.RecordBatch:
    """The rows of these numbers."""
    movable = plain_schema(batch.schema)  # Arrow takes no rows of views
    return conformed(conformed(batch, movable).take(pa.array(rows)), batch.schema)
