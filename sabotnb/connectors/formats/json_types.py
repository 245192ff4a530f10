"""Reads types that Arrow's JSON parser lacks: parses a simpler type in their place and converts it.

Bytes are base64, durations seconds, maps lists of ``{"key": k, "value": v}``, as ``json_lines`` writes them.
"""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as t

DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
"""The number of digits of the fraction of a second, for each unit."""

_SECONDS = pa.decimal128(38, 9)


def parsed_as(data_type: pa.DataType) -> pa.DataType:  # noqa: PLR0911  one case per kind of type
    """The type that the parser reads for values of ``data_type``: text for dates and bytes, pairs for maps."""
    if t.is_dictionary(data_type):
        return parsed_as(data_type.value_type)
    if t.is_date(data_type) or t.is_time(data_type) or is_bytes(data_type) or data_type.equals(pa.uuid()):
        return pa.string()
    if t.is_duration(data_type):
        return _SECONDS
    if t.is_float16(data_type):
        return pa.float32()
    if t.is_map(data_type):
        pair = {"key": parsed_as(data_type.key_type), "value": parsed_as(data_type.item_type)}
        return pa.list_(pa.struct(list(pair.items())))
    if t.is_struct(data_type):
        return pa.struct([field.with_type(parsed_as(field.type)) for field in data_type])
    if t.is_list(data_type) or t.is_large_list(data_type) or t.is_fixed_size_list(data_type):
        return pa.list_(parsed_as(data_type.value_type))
    return data_type


def is_bytes(data_type: pa.DataType) -> bool:
    """True for binary, large or not, of fixed size or not."""
    return bool(t.is_binary(data_type) or t.is_large_binary(data_type) or t.is_fixed_size_binary(data_type))


def parsed_schema(schema: pa.Schema) -> pa.Schema:
    """``schema`` with the types that the parser reads."""
    return pa.schema([field.with_type(parsed_as(field.type)) for field in schema])


def made_of_parsed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """``table``, one chunk of ``parsed_schema(schema)``, with the types of ``schema``; other columns stay as they are.

    Raises:
        pa.ArrowInvalid: text that is not a date, time or base64, or seconds that a duration does not hold.
    """
    for field in schema:
        at = table.schema.get_field_index(field.name)
        column = table.column(at)
        if not column.type.equals(field.type):
            chunks = [_made(chunk, field.type) for chunk in column.chunks]
            table = table.set_column(at, field.name, pa.chunked_array(chunks, field.type))
    return table


def _made(parsed: pa.Array, data_type: pa.DataType) -> pa.Array:  # noqa: PLR0911  one case per kind of type
    if parsed.type.equals(data_type):
        return parsed
    if t.is_dictionary(data_type):
        return _made(parsed, data_type.value_type).dictionary_encode().cast(data_type)
    if t.is_time(data_type):
        epoch = pc.binary_join_element_wise("1970-01-01T", parsed, "")
        return epoch.cast(pa.timestamp(data_type.unit)).cast(data_type)
    if t.is_duration(data_type):
        return _counts(parsed.cast(pa.decimal128(38, DIGITS[data_type.unit]))).cast(data_type)
    if is_bytes(data_type):
        return pa.array(_decoded(parsed), data_type)
    if data_type.equals(pa.uuid()):
        return pa.ExtensionArray.from_storage(data_type, pa.array(_uuids(parsed), data_type.storage_type))
    if t.is_struct(data_type):
        inner = [_made(parsed.field(at), field.type) for at, field in enumerate(data_type)]
        return pa.StructArray.from_arrays(inner, fields=list(data_type), mask=parsed.is_null())
    if t.is_map(data_type) or t.is_list(data_type) or t.is_large_list(data_type) or t.is_fixed_size_list(data_type):
        return _made_list(parsed, data_type)
    return parsed.cast(data_type)


def _made_list(parsed: pa.ListArray, data_type: pa.DataType) -> pa.Array:
    values, offsets = parsed.flatten(), pc.subtract(parsed.offsets, parsed.offsets[0])
    if t.is_map(data_type):
        kinds = data_type.key_type, data_type.item_type
        keys, items = (_made(values.field(at), kind) for at, kind in enumerate(kinds))
        return pa.MapArray.from_arrays(offsets, keys, items, type=data_type, mask=parsed.is_null())
    inner = _made(values, data_type.value_type)
    lists = pa.ListArray.from_arrays(offsets, inner, pa.list_(data_type.value_field), mask=parsed.is_null())
    return lists.cast(data_type)


def _counts(seconds: pa.Array) -> pa.Array:
    """Decimals as the integers of their digits."""
    digits = pa.Array.from_buffers(pa.decimal128(38, 0), len(seconds), seconds.buffers(), offset=seconds.offset)
    return digits.cast(pa.int64())


def _decoded(texts: pa.Array) -> list[bytes | None]:
    try:
        return [None if text is None else base64.b64decode(text, validate=True) for text in texts.to_pylist()]
    except binascii.Error as error:
        raise pa.ArrowInvalid(f"text is not base64: {error}") from error


def _uuids(texts: pa.Array) -> list[bytes | None]:
    try:
        return [None if text is None else UUID(text).bytes for text in texts.to_pylist()]
    except ValueError as error:
        raise pa.ArrowInvalid(f"text is not a UUID: {error}") from error
