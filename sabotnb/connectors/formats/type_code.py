"""Formats Arrow types as the Python code that creates them, for messages that can be copied and run."""

from __future__ import annotations

import pyarrow as pa
from pyarrow import types as t

from sabotnb import text_limits

_CALLS = {
    pa.bool_(): "pa.bool_()",
    pa.float16(): "pa.float16()",
    pa.float32(): "pa.float32()",
    pa.float64(): "pa.float64()",
    pa.date32(): "pa.date32()",
    pa.date64(): "pa.date64()",
}


def type_code(data_type: pa.DataType) -> str:  # noqa: C901, PLR0911  one case per kind of type
    """The code that creates ``data_type``, such as ``pa.list_(pa.uint64())``."""
    if data_type in _CALLS:
        return _CALLS[data_type]
    if t.is_timestamp(data_type):
        zone = "" if data_type.tz is None else f", {data_type.tz!r}"
        return f"pa.timestamp({data_type.unit!r}{zone})"
    if t.is_time(data_type) or t.is_duration(data_type):
        return f"pa.{str(data_type).partition('[')[0]}({data_type.unit!r})"
    if t.is_decimal(data_type):
        return f"pa.decimal{data_type.bit_width}({data_type.precision}, {data_type.scale})"
    if t.is_struct(data_type):
        fields = ", ".join(f"{field.name!r}: {type_code(field.type)}" for field in data_type)
        return f"pa.struct({{{fields}}})"
    if t.is_list(data_type) or t.is_large_list(data_type):
        return f"pa.{'list_' if t.is_list(data_type) else 'large_list'}({type_code(data_type.value_type)})"
    if t.is_fixed_size_list(data_type):
        return f"pa.list_({type_code(data_type.value_type)}, {data_type.list_size})"
    if t.is_fixed_size_binary(data_type):
        return f"pa.binary({data_type.byte_width})"
    if t.is_dictionary(data_type):
        return f"pa.dictionary({type_code(data_type.index_type)}, {type_code(data_type.value_type)})"
    if t.is_map(data_type):
        return f"pa.map_({type_code(data_type.key_type)}, {type_code(data_type.item_type)})"
    return f"pa.{data_type}()"


def shown(value: object) -> str:
    """``repr(value)``, or the beginning of it, for a message."""
    return shortened(repr(value))


def shortened(text: str) -> str:
    """The beginning of a text that is too long for a message."""
    return text_limits.beginning(text, text_limits.VALUE)


def schema_code(name: str, data_type: pa.DataType) -> str:
    """The argument that declares a column, such as ``schema={'id': pa.uint64()}``."""
    return f"schema={{{name!r}: {type_code(data_type)}}}"
