"""Formats rows as JSON text, column by column.

Times are ISO 8601 (with a zone: UTC), bytes base64, decimals and UUIDs text, durations seconds, maps lists of
``{"key": k, "value": v}``. NaN and infinity are refused, because JSON lacks them.
"""

from __future__ import annotations

import base64
import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as t

from sabotnb.connectors.file_schemas import is_text
from sabotnb.connectors.formats.json_types import DIGITS, is_bytes
from sabotnb.connectors.formats.text_columns import Unwritable, check_years, concatenated, float_texts, joined, utc
from sabotnb.errors import SinkError

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def json_lines(batch: pa.RecordBatch) -> bytes:
    """One object for each line, each with a line feed."""
    if not batch.num_columns or not batch.num_rows:
        return b"{}\n" * int(batch.num_rows)
    parts: list[pa.LargeStringArray | str] = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            parts += [("," if parts else "{") + _encode(name) + ":", _tokens(column)]
        except Unwritable as error:
            advice = "write Parquet or Arrow IPC"
            if t.is_floating(column.type):
                finite = f"sb.when(col({name!r}).is_finite()).then(col({name!r}))"
                advice = f"make it null, .with_columns(**{{{name!r}: {finite}}}), or {advice}"
            raise SinkError(f"column {name!r} has {error}, which JSON cannot hold: {advice}") from error
    return concatenated(joined(*parts, "}\n"))


def _tokens(column: pa.Array) -> pa.LargeStringArray:
    """The JSON text of each value."""
    data_type = column.type
    check_years(column)
    if t.is_dictionary(data_type):
        tokens = _tokens(column.cast(data_type.value_type))
    elif is_text(data_type):
        tokens = _quoted(column.cast(pa.large_string()))
    elif t.is_floating(data_type):
        tokens = _floats(column)
    elif t.is_timestamp(data_type):
        tokens = joined('"', _times(utc(column)), '"')
    elif t.is_duration(data_type):
        tokens = _seconds(column)
    elif t.is_date(data_type) or t.is_time(data_type) or t.is_decimal(data_type):
        tokens = joined('"', column.cast(pa.large_string()), '"')
    elif is_bytes(data_type) or data_type.equals(pa.uuid()):
        texts = [_encode(_text(value)) if value is not None else None for value in column.to_pylist()]
        tokens = pa.array(texts, pa.large_string())
    elif t.is_struct(data_type):
        tokens = _object([field.name for field in data_type], column.flatten(), column)
    elif t.is_nested(data_type):
        tokens = _lists(column)
    else:
        tokens = column.cast(pa.large_string())
    return tokens.fill_null("null")


def _text(value: object) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _floats(column: pa.Array) -> pa.LargeStringArray:
    strange = column.filter(pc.invert(pc.is_finite(column)))
    if len(strange):
        raise Unwritable(str(strange[0].as_py()))
    return float_texts(column)


def _quoted(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    for character, escaped in _ESCAPES.items():
        texts = pc.replace_substring(texts, character, escaped)
    if pc.any(pc.match_substring_regex(texts, r"[\x00-\x1f]")).as_py():
        rare = {chr(code): f"\\u{code:04x}" for code in range(32)}
        for character, escaped in rare.items():
            texts = pc.replace_substring(texts, character, escaped)
    return joined('"', texts, '"')


def _times(column: pa.TimestampArray) -> pa.LargeStringArray:
    """Times as ISO 8601, with fractions of a second only if the column has some."""
    whole = column.cast(pa.timestamp("s", column.type.tz), safe=False)
    is_whole = whole.cast(column.type).equals(column)
    texts = (whole if is_whole else column).cast(pa.large_string())
    return pc.replace_substring(texts, " ", "T")


def _seconds(column: pa.DurationArray) -> pa.LargeStringArray:
    counts, digits = column.cast(pa.int64()), DIGITS[column.type.unit]
    whole = pc.divide(counts, 10**digits)
    if pc.multiply(whole, 10**digits).equals(counts):
        return whole.cast(pa.large_string())
    texts = [None if count is None else str(Decimal(count).scaleb(-digits)) for count in counts.to_pylist()]
    return pa.array(texts, pa.large_string())


def _object(names: list[str], values: list[pa.Array], column: pa.Array) -> pa.LargeStringArray:
    """An object for each row of ``column``; null where the column is null."""
    if not names:
        return pc.if_else(column.is_valid(), pa.scalar("{}", pa.large_string()), None)
    parts: list[pa.LargeStringArray | str] = []
    for name, value in zip(names, values, strict=True):
        parts += [("," if parts else "{") + _encode(name) + ":", _tokens(value)]
    return pc.if_else(column.is_valid(), joined(*parts, "}"), pa.scalar(None, pa.large_string()))


def _lists(column: pa.Array) -> pa.LargeStringArray:
    """A list for each row; lists of key and value objects if ``column`` has maps."""
    if t.is_map(column.type):
        pair = pa.struct([("key", column.type.key_type), ("value", column.type.item_type)])
        column = column.cast(pa.list_(pair))
    tokens = _tokens(column.flatten())
    lengths = pc.list_value_length(column).fill_null(0).cast(pa.int32())
    ends = pc.cumulative_sum(lengths)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    texts = pc.binary_join(pa.ListArray.from_arrays(offsets, tokens.cast(pa.string())), ",")
    lists = joined("[", texts.cast(pa.large_string()), "]")
    return pc.if_else(column.is_valid(), lists, pa.scalar(None, pa.large_string()))
