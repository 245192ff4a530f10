"""Convert key columns to 64-bit words or bytes, the forms that hash tables compare; equal values have equal forms."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pyarrow import types

from sabotnb.errors import TypeMismatch


def plain_type(data_type: pa.DataType) -> pa.DataType:
    """The type of the values: the value type of a dictionary, any other type unchanged."""
    return data_type.value_type if types.is_dictionary(data_type) else data_type


def can_be_key(data_type: pa.DataType) -> bool:
    """False for types whose equal values may differ in bytes: nested ones, intervals, numbers of extension types."""
    plain = plain_type(data_type)
    if not isinstance(plain, pa.BaseExtensionType):
        return not types.is_nested(plain) and not types.is_interval(plain)
    stored = plain.storage_type
    kinds = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary, types.is_fixed_size_binary)
    return any(is_one(stored) for is_one in kinds)


def is_word(data_type: pa.DataType) -> bool:
    """True if every value fits 64 bits; False if values become bytes.

    Raises:
        TypeMismatch: for a type that cannot be a key.
    """
    plain = plain_type(data_type)
    if not can_be_key(plain):
        raise TypeMismatch(f"a column of type {plain} cannot be a key; make a column of plain values of it")
    number = types.is_integer(plain) or types.is_floating(plain) or types.is_boolean(plain) or types.is_null(plain)
    return bool(number or types.is_temporal(plain))


def decoded(column: pa.Array) -> pa.Array:
    """Decode dictionaries, and convert views of text to large text because Arrow cannot take rows of views."""
    if types.is_string_view(column.type):
        return column.cast(pa.large_string())
    if types.is_binary_view(column.type):
        return column.cast(pa.large_binary())
    if not types.is_dictionary(column.type):
        return column
    values = column.dictionary
    if types.is_string_view(values.type) or types.is_binary_view(values.type):
        column = pa.DictionaryArray.from_arrays(column.indices, decoded(values))
    return column.dictionary_decode()


def words(column: pa.Array) -> pa.Array:
    """The values as int64 with the same nulls; all NaN are one value, and -0.0 becomes 0.0."""
    if types.is_null(column.type):
        return pa.nulls(len(column), pa.int64())
    if types.is_floating(column.type):
        return _float_words(column)
    if types.is_boolean(column.type):
        column = column.cast(pa.int8())
    if column.type.bit_width == 64:
        return column.view(pa.int64())
    ticks = column if types.is_integer(column.type) else column.view(pa.int32())
    return ticks.cast(pa.int64())


def from_words(values: pa.Array, data_type: pa.DataType) -> pa.Array:
    """Convert ``words`` back to a column of ``data_type`` (not a dictionary)."""
    if types.is_null(data_type):
        return pa.nulls(len(values))
    if types.is_floating(data_type):
        return values.view(pa.float64()).cast(data_type)
    if types.is_boolean(data_type):
        return values.cast(pa.int8()).cast(pa.bool_())
    if data_type.bit_width == 64:
        return values.view(data_type)
    return values.cast(data_type) if types.is_integer(data_type) else values.cast(pa.int32()).view(data_type)


def as_binary(column: pa.Array) -> pa.Array:
    """The values as large_binary with the same nulls."""
    data_type = column.type
    if types.is_decimal(data_type):
        width = data_type.bit_width // 8
        column = pa.Array.from_buffers(pa.binary(width), len(column), column.buffers(), offset=column.offset)
    if types.is_fixed_size_binary(column.type):
        column = column.cast(pa.binary())
    return column.cast(pa.large_binary())


def from_binary(values: pa.Array, data_type: pa.DataType) -> pa.Array:
    """Convert ``as_binary`` back to a column of ``data_type`` (not a dictionary)."""
    if types.is_decimal(data_type):
        fixed = values.cast(pa.binary()).cast(pa.binary(data_type.bit_width // 8))
        return pa.Array.from_buffers(data_type, len(fixed), fixed.buffers(), offset=fixed.offset)
    if types.is_fixed_size_binary(data_type):
        return values.cast(pa.binary()).cast(data_type)
    if types.is_binary_view(data_type) or types.is_string_view(data_type):
        return values.cast(pa.binary()).cast(data_type)
    return values.cast(data_type)


def _float_words(column: pa.Array) -> pa.Array:
    values = column.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False) + 0.0
    values[np.isnan(values)] = np.nan
    mask = None if column.null_count == 0 else column.is_null().to_numpy(zero_copy_only=False)
    return pa.array(values.view(np.int64), mask=mask)
