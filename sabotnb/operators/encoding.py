"""The same values in another Arrow encoding: dictionaries, large and view layouts of text and bytes."""

from __future__ import annotations

import pyarrow as pa


def conformed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """``batch`` in the encodings of ``schema``, which has the same names and values of the same types."""
    if batch.schema.equals(schema):
        return batch
    columns = [
        column if column.type.equals(field.type) else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
