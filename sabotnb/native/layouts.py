"""Convert Arrow columns to the plain layouts that kernels use.

Views of text and bytes and run-end encoded columns are converted because Arrow cannot take rows of them. Decimals of 32
and 64 bits become 128 bits wide because Arrow sorts them wrongly and has few functions for them. Dictionaries stay,
because they are hashed once per value; only user functions get them decoded. Their indexes become int32: pandas writes
int8, which cannot address the values of several files together. A null among their values becomes a null index, as
Arrow cannot unify such dictionaries. Dictionaries of some types are decoded: Arrow cannot send those of extension types
to other processes, and has few functions for the others.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from pyarrow import types

from sabotnb.native.canonical import plain_type

INDEX = pa.int32()
"""Of every dictionary inside: 2 ** 31 values are more than a dictionary has use for."""


def plain_layout(data_type: pa.DataType) -> pa.DataType:
    """The type of the same values in a layout that every kernel takes, also inside lists, maps and structs."""
    if types.is_string_view(data_type):
        return pa.large_string()
    if types.is_binary_view(data_type):
        return pa.large_binary()
    if types.is_decimal32(data_type) or types.is_decimal64(data_type):
        return pa.decimal128(data_type.precision, data_type.scale)
    if types.is_run_end_encoded(data_type):
        return plain_layout(data_type.value_type)
    if types.is_dictionary(data_type):
        values = plain_layout(data_type.value_type)
        return pa.dictionary(INDEX, values, data_type.ordered) if can_be_encoded(values) else values
    return nested_type(data_type, plain_layout)


def can_be_encoded(data_type: pa.DataType) -> bool:
    """False for types of which no column is dictionary-encoded inside."""
    is_other = isinstance(data_type, pa.BaseExtensionType) or types.is_float16(data_type) or types.is_null(data_type)
    return not (is_other or types.is_nested(data_type))


def nested_type(data_type: pa.DataType, inner: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """``data_type`` with the types of its children replaced by ``inner``; a type without children is unchanged."""

    def changed(field: pa.Field) -> pa.Field:
        return field.with_type(inner(field.type))

    if types.is_struct(data_type):
        return pa.struct([changed(field) for field in data_type])
    if types.is_list(data_type):
        return pa.list_(changed(data_type.value_field))
    if types.is_large_list(data_type):
        return pa.large_list(changed(data_type.value_field))
    if types.is_fixed_size_list(data_type):
        return pa.list_(changed(data_type.value_field), data_type.list_size)
    if types.is_map(data_type):
        return pa.map_(changed(data_type.key_field), changed(data_type.item_field), data_type.keys_sorted)
    return data_type


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """``schema`` with plain layouts."""
    return pa.schema([field.with_type(plain_layout(field.type)) for field in schema], schema.metadata)


def empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    """A batch without rows; Arrow's own constructors refuse dictionaries of dates, times and decimals."""
    return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


def plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows in plain layouts; ``batch`` itself if all its layouts are plain."""
    schema = plain_schema(batch.schema)
    if schema.equals(batch.schema) and not any(map(_has_null_values, batch.columns)):
        return batch
    return pa.RecordBatch.from_arrays([plain_array(column) for column in batch.columns], schema=schema)


def plain_array(column: pa.Array) -> pa.Array:
    """The same values in a plain layout; ``column`` itself if its layout is plain.

    Raises:
        pa.ArrowInvalid: a dictionary of more values than INDEX counts.
    """
    data_type = plain_layout(column.type)
    if column.type.equals(data_type) and not _has_null_values(column):
        return column
    if types.is_run_end_encoded(column.type):
        return plain_array(_run_end_decoded(column))
    if types.is_dictionary(column.type):
        indices = column.indices.cast(INDEX)
        if not types.is_dictionary(data_type):
            return plain_array(column.dictionary.take(indices))
        values = plain_array(column.dictionary)
        if values.null_count:
            present = values.is_valid().to_numpy(zero_copy_only=False)
            indices = pa.array(np.cumsum(present) - 1, INDEX, mask=~present).take(indices)
            values = values.drop_null()
        return pa.DictionaryArray.from_arrays(indices, values, ordered=data_type.ordered)
    if types.is_nested(data_type):
        return nested_array(column, data_type, plain_array)
    return column.cast(data_type)


def _has_null_values(column: pa.Array) -> bool:
    return isinstance(column, pa.DictionaryArray) and column.dictionary.null_count > 0


def nested_array(column: pa.Array, data_type: pa.DataType, inner: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """``column`` with its children converted by ``inner``; Arrow has no cast for dictionaries inside nested types."""
    if types.is_struct(data_type):
        children = [inner(column.field(number)) for number in range(data_type.num_fields)]
        return pa.StructArray.from_arrays(children, fields=list(data_type), mask=column.is_null())
    if types.is_map(data_type):
        fields = [data_type.key_field, data_type.item_field]
        values = pa.StructArray.from_arrays([inner(column.keys), inner(column.items)], fields=fields)
    else:
        values = inner(column.values)
    own = 1 if types.is_fixed_size_list(data_type) else 2  # validity and offsets; the buffers of the values follow
    buffers = column.buffers()[:own]
    return pa.Array.from_buffers(data_type, len(column), buffers, offset=column.offset, children=[values])


def without_dictionaries(data_type: pa.DataType) -> pa.DataType:
    """The type of the same values without dictionaries, also inside lists, maps and structs."""
    if types.is_dictionary(data_type):
        return without_dictionaries(data_type.value_type)
    return nested_type(data_type, without_dictionaries)


def decoded_array(column: pa.Array) -> pa.Array:
    """The same values in the type that ``without_dictionaries`` returns."""
    data_type = without_dictionaries(column.type)
    if column.type.equals(data_type):
        return column
    if types.is_dictionary(column.type):
        return decoded_array(column.dictionary_decode())
    return nested_array(column, data_type, decoded_array)


def _run_end_decoded(column: pa.Array) -> pa.Array:
    import pyarrow.compute as pc  # 30 ms, and hardly anything comes in runs

    return pc.run_end_decode(column)


def decoded_schema(schema: pa.Schema) -> pa.Schema:
    """``schema`` with plain types instead of dictionaries."""
    return pa.schema([field.with_type(plain_type(field.type)) for field in schema])


def decoded_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """``batch`` with dictionary-encoded columns decoded, so that user functions need not handle them."""
    schema = decoded_schema(batch.schema)
    if schema.equals(batch.schema):
        return batch
    columns = [
        column if column.type.equals(field.type) else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
