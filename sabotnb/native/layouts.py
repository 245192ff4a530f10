"""Arrow layouts: plain ones stand inside for those that Arrow cannot take rows of (views of text and bytes, and runs).

So do decimals of 128 bits for narrower ones, which Arrow puts in a wrong order and hardly computes with. Dictionaries
stay, for they are hashed once per value; only functions of users get them decoded.
"""

from __future__ import annotations

import pyarrow as pa
from pyarrow import types

from sabotnb.native.canonical import plain_type


def plain_layout(data_type: pa.DataType) -> pa.DataType:  # noqa: PLR0911  one case per layout
    """The type of the same values in a layout that every kernel takes; also inside of lists and structs."""
    if types.is_string_view(data_type):
        return pa.large_string()
    if types.is_binary_view(data_type):
        return pa.large_binary()
    if types.is_decimal32(data_type) or types.is_decimal64(data_type):
        return pa.decimal128(data_type.precision, data_type.scale)
    if types.is_run_end_encoded(data_type):
        return plain_layout(data_type.value_type)
    if types.is_dictionary(data_type):
        return pa.dictionary(data_type.index_type, plain_layout(data_type.value_type), data_type.ordered)
    if types.is_struct(data_type):
        return pa.struct([field.with_type(plain_layout(field.type)) for field in data_type])
    if types.is_list(data_type):
        return pa.list_(data_type.value_field.with_type(plain_layout(data_type.value_type)))
    if types.is_large_list(data_type):
        return pa.large_list(data_type.value_field.with_type(plain_layout(data_type.value_type)))
    return data_type


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """``schema`` with plain layouts."""
    return pa.schema([field.with_type(plain_layout(field.type)) for field in schema], schema.metadata)


def plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows in plain layouts; ``batch`` itself if it has no others."""
    schema = plain_schema(batch.schema)
    if schema.equals(batch.schema):
        return batch
    return pa.RecordBatch.from_arrays([plain_array(column) for column in batch.columns], schema=schema)


def plain_array(column: pa.Array) -> pa.Array:
    """The same values in a plain layout; ``column`` itself if it has one."""
    data_type = plain_layout(column.type)
    if types.is_run_end_encoded(column.type):
        column = _run_end_decoded(column)
    if types.is_dictionary(column.type) and not column.type.equals(data_type):
        return pa.DictionaryArray.from_arrays(column.indices, column.dictionary.cast(data_type.value_type))
    return column if column.type.equals(data_type) else column.cast(data_type)


def _run_end_decoded(column: pa.Array) -> pa.Array:
    import pyarrow.compute as pc  # 30 ms, and hardly anything comes in runs

    return pc.run_end_decode(column)


def decoded_schema(schema: pa.Schema) -> pa.Schema:
    """``schema`` with plain types for dictionaries."""
    return pa.schema([field.with_type(plain_type(field.type)) for field in schema])


def decoded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """``batch`` with plain columns for dictionary-encoded ones, which functions of users need not know."""
    schema = decoded_schema(batch.schema)
    if schema.equals(batch.schema):
        return batch
    columns = [
        column if column.type.equals(field.type) else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
