"""Rows as JSON text, made column by column.

Times are ISO 8601, bytes base64, decimals and UUIDs text, durations seconds, maps lists of ``{"key": k, "value": v}``;
NaN and infinity, which JSON lacks, are null.
"""

from __future__ import annotations

import base64
import json
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.connectors.schemas import is_text
from sabotnb.connectors.texts import concatenated, float_texts, joined

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def json_lines(batch: pa.RecordBatch) -> bytes:
    """One object a line, every line ended."""
    if not batch.num_columns or not batch.num_rows:
        return b"{}\n" * int(batch.num_rows)
    parts: list[pa.LargeStringArray | str] = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        parts += [("," if parts else "{") + _encode(name) + ":", _tokens(column)]
    return concatenated(joined(*parts, "}\n"))


def _tokens(column: pa.Array) -> pa.LargeStringArray:
    """The JSON text of each value."""
    types, data_type = pa.types, column.type
    if types.is_integer(data_type) or types.is_boolean(data_type):
        tokens = column.cast(pa.large_string())
    elif types.is_floating(data_type):
        finite = pc.if_else(pc.is_finite(column), column, pa.scalar(None, data_type))
        tokens = float_texts(finite)
    elif is_text(data_type):
        tokens = _quoted(column.cast(pa.large_string()))
    elif types.is_timestamp(data_type) and data_type.tz is None:
        tokens = _times(column)
    else:
        values = (_jsonable(value, data_type) for value in column.to_pylist())
        tokens = pa.array([_encode(value) for value in values], pa.large_string())
    return tokens.fill_null("null")


def _quoted(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    for character, escaped in _ESCAPES.items():
        texts = pc.replace_substring(texts, character, escaped)
    if pc.any(pc.match_substring_regex(texts, r"[\x00-\x1f]")).as_py():
        rare = {chr(code): f"\\u{code:04x}" for code in range(32)}
        for character, escaped in rare.items():
            texts = pc.replace_substring(texts, character, escaped)
    return joined('"', texts, '"')


def _times(column: pa.TimestampArray) -> pa.LargeStringArray:
    """With fractions of a second only where the column has some, because readers take those for text."""
    whole = column.cast(pa.timestamp("s"), safe=False)
    has_fractions = not whole.cast(column.type).equals(column)
    texts = pc.strftime(column if has_fractions else whole, "%Y-%m-%dT%H:%M:%S")
    return joined('"', texts.cast(pa.large_string()), '"')


def _jsonable(value: Any, data_type: pa.DataType) -> Any:
    result = value
    match value:
        case float():
            result = value if math.isfinite(value) else None
        case dict():
            result = {field.name: _jsonable(value[field.name], field.type) for field in data_type}
        case list() if pa.types.is_map(data_type):
            kinds = data_type.key_type, data_type.item_type
            result = [{"key": _jsonable(key, kinds[0]), "value": _jsonable(item, kinds[1])} for key, item in value]
        case list():
            result = [_jsonable(inner, data_type.value_type) for inner in value]
        case datetime() | date() | time():
            result = value.isoformat()
        case timedelta():
            result = value.total_seconds()
        case bytes():
            result = base64.b64encode(value).decode()
        case Decimal() | UUID():
            result = str(value)
    return result
