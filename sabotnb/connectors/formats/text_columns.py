"""Formats columns of numbers and times as text for CSV and JSON, and joins columns of text to lines."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_FIRST_DAY, _LAST_DAY = -719_528, 2_932_896
"""The first and the last day of the years 0000 to 9999, in days from 1970-01-01."""

_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000}


_LEAST_NANOSECOND = -9_223_372_036_000_000_000
"""Earlier nanoseconds are valid, but readers compute the start of their second first, which overflows 64 bits."""


class Unwritable(Exception):  # noqa: N818  who writes says into what
    """A value that a text format cannot represent; the message is the value."""


def check_years(column: pa.Array) -> None:
    """Raise Unwritable for a date or time outside the years 0000 to 9999, which readers do not accept."""
    data_type = column.type
    if pa.types.is_timestamp(data_type) and data_type.unit == "ns":
        counts = column.cast(pa.int64())
        low = pc.min(counts).as_py()
        if low is not None and low < _LEAST_NANOSECOND:
            text = column.slice(pc.index(counts, low).as_py(), 1).cast(pa.timestamp("ns")).cast(pa.string())[0]
            raise Unwritable(text.as_py())
        return
    if pa.types.is_date(data_type):
        counts, per_day = column.cast(pa.int32() if pa.types.is_date32(data_type) else pa.int64()), 1
        if pa.types.is_date64(data_type):
            per_day = _PER_DAY["ms"]
    elif pa.types.is_timestamp(data_type) and data_type.unit in _PER_DAY:
        counts, per_day = column.cast(pa.int64()), _PER_DAY[data_type.unit]
    else:
        return
    bounds = pc.min_max(counts)
    low, high = bounds["min"].as_py(), bounds["max"].as_py()
    if low is not None and (low < _FIRST_DAY * per_day or high >= (_LAST_DAY + 1) * per_day):
        at = pc.index(counts, low if low < _FIRST_DAY * per_day else high).as_py()
        raise Unwritable(utc(column.slice(at, 1)).cast(pa.string())[0].as_py())


def float_texts(column: pa.Array) -> pa.LargeStringArray:
    """Floats as text: ``1.0``, ``0.5``, ``1e+20``, ``nan``. Arrow writes 1.0 as ``1``, which reads as an integer."""
    texts = column.cast(pa.large_string())
    if pc.all(pc.match_substring(texts, ".")).as_py():
        return texts
    whole = pc.match_substring_regex(texts, r"^-?\d+$")
    return pc.if_else(whole, joined(texts, ".0"), texts)


def utc(column: pa.Array) -> pa.Array:
    """Timestamps with a zone converted to UTC: historical offsets have seconds, which ISO 8601 text cannot express."""
    if not pa.types.is_timestamp(column.type) or column.type.tz is None:
        return column
    return column.cast(pa.timestamp(column.type.unit, "UTC"))


def joined(*parts: pa.LargeStringArray | str) -> pa.LargeStringArray:
    """Concatenate texts row by row; null where one of them is null. A ``str`` is repeated in every row."""
    return pc.binary_join_element_wise(*map(_text, parts), _text(""))


def concatenated(lines: pa.LargeStringArray) -> bytes:
    """All texts of an array as one byte string: its data buffer, so the array must not be a slice."""
    text: bytes = lines.buffers()[2].to_pybytes()
    return text


def _text(part: Any) -> Any:
    return pa.scalar(part, pa.large_string()) if isinstance(part, str) else part
