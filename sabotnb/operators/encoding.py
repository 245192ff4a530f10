"""The same values in another Arrow encoding: dictionaries, large and view layouts of text and bytes."""

from __future__ import annotations

import pyarrow as pa
from pyarrow import types as t


def conformed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """``batch`` in the encodings of ``schema``, which has the same names and values of the same types."""
    if batch.schema.equals(schema):
        return batch
    columns = [
        column if column.type.equals(field.type) else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def same_values(one: pa.DataType, other: pa.DataType) -> bool:
    """True if both hold the same values, differently encoded; a column of nulls alone goes with every type."""
    return bool(t.is_null(one) or _plain(one) == _plain(other))


def _plain(data_type: pa.DataType) -> str:
    if t.is_dictionary(data_type):
        return _plain(data_type.value_type)
    if t.is_large_string(data_type) or t.is_string_view(data_type):
        return "string"
    if t.is_large_binary(data_type) or t.is_binary_view(data_type):
        return "binary"
    if t.is_large_list(data_type) or t.is_list(data_type):
        return f"list<{_plain(data_type.value_type)}>"
    return str(data_type)
