"""Arrow types: parse the spellings of users, classify types, and find the common type of two."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pyarrow import types as t

from sabotnb.errors import TypeMismatch
from sabotnb.expr.arguments import is_hashable
from sabotnb.expr.zones import demand_zone
from sabotnb.native import plain_layout

_SPELLINGS: dict[Any, pa.DataType] = {
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bool: pa.bool_(),
    bytes: pa.binary(),
    dt.datetime: pa.timestamp("us"),
    dt.date: pa.date32(),
    dt.timedelta: pa.duration("us"),
    dt.time: pa.time64("us"),
    decimal.Decimal: pa.decimal128(38, 9),
    "int": pa.int64(),
    "float": pa.float64(),
    "str": pa.string(),
    "bytes": pa.binary(),
    "timestamp": pa.timestamp("us"),
    "datetime": pa.timestamp("us"),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "duration": pa.duration("us"),
}
UNITS = ("s", "ms", "us", "ns")
_INT_DIGITS = {8: 3, 16: 5, 32: 10, 64: 20}
_MOST_DIGITS = 76


def type_of(spelling: Any) -> pa.DataType:
    """Return the Arrow type of a name (``"int64"``, ``"timestamp[us, tz=UTC]"``), a Python type or an Arrow type.

    View and run-end encoded types become the plain types that are used inside.

    Raises:
        TypeMismatch: no such type; the message lists some.
    """
    if isinstance(spelling, pa.DataType):
        return plain_layout(spelling)
    if is_hashable(spelling) and spelling in _SPELLINGS:
        return _SPELLINGS[spelling]
    if isinstance(spelling, str):
        text = spelling.strip()
        if text.startswith("timestamp[") and "tz=" in text:
            unit, _, zone = text.removeprefix("timestamp[").removesuffix("]").partition(",")
            name = zone.partition("=")[2].strip()
            demand_zone(name)
            return pa.timestamp(unit, name)
        if text.startswith("list[") and text.endswith("]"):
            return pa.list_(type_of(text.removeprefix("list[").removesuffix("]")))
        try:
            return plain_layout(pa.type_for_alias(text))
        except ValueError:
            pass
    raise TypeMismatch(
        f"there is no type {spelling!r}; types are 'int64', 'double', 'string', 'bool', 'date', 'timestamp[us]', ..., "
        "Python's int, float, str, or an Arrow type such as pa.decimal128(12, 2)"
    )


def plain(data_type: pa.DataType) -> pa.DataType:
    """The type without dictionary encoding and views, which few kernels take."""
    if t.is_dictionary(data_type):
        return plain(data_type.value_type)
    if t.is_string_view(data_type):
        return pa.string()
    if t.is_binary_view(data_type):
        return pa.binary()
    return data_type


def is_text(data_type: pa.DataType) -> bool:
    """True for strings of any layout."""
    return bool(t.is_string(data_type) or t.is_large_string(data_type) or t.is_string_view(data_type))


def is_bytes(data_type: pa.DataType) -> bool:
    """True for binary of any layout but views, which ``plain`` removes."""
    return bool(t.is_binary(data_type) or t.is_large_binary(data_type) or t.is_fixed_size_binary(data_type))


def is_number(data_type: pa.DataType) -> bool:
    """True for integers, floats and decimals, not for booleans."""
    return bool(t.is_integer(data_type) or t.is_floating(data_type) or t.is_decimal(data_type))


def is_machine_number(data_type: pa.DataType) -> bool:
    """True for what compiled functions take: integers, floats, booleans and times, also in dictionaries."""
    plain_type = plain(data_type)
    kinds = (t.is_integer, t.is_floating, t.is_boolean, t.is_timestamp, t.is_duration, t.is_null)
    return any(is_it(plain_type) for is_it in kinds)


def common(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The type that both are converted to in a comparison or a choice; None if there is none."""
    if one.equals(other) or t.is_null(other):
        return one
    if t.is_null(one):
        return other
    if is_number(one) and is_number(other):
        return common_number(one, other)
    if is_text(one) and is_text(other):
        return pa.large_string() if t.is_large_string(one) or t.is_large_string(other) else pa.string()
    if is_bytes(one) and is_bytes(other):
        return pa.large_binary() if t.is_large_binary(one) or t.is_large_binary(other) else pa.binary()
    return _common_temporal(one, other)


def common_number(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The narrowest numeric type that holds both; integers of 32 and 64 bits meet floats in double.

    A uint64 and a signed integer meet in decimal128(20, 0), which holds both. None for decimals of too many digits.
    """
    if t.is_decimal(one) or t.is_decimal(other):
        return _common_decimal(one, other)
    if t.is_floating(one) or t.is_floating(other):
        narrow = all(one_of.bit_width <= (32 if t.is_floating(one_of) else 16) for one_of in (one, other))
        return pa.float32() if narrow else pa.float64()
    if t.is_signed_integer(one) == t.is_signed_integer(other):
        return one if one.bit_width >= other.bit_width else other
    signed, unsigned = (one, other) if t.is_signed_integer(one) else (other, one)
    if signed.bit_width > unsigned.bit_width:
        return signed
    wider = {8: pa.int16(), 16: pa.int32(), 32: pa.int64()}
    return wider.get(unsigned.bit_width) or pa.decimal128(20, 0)


def exact_number(types: Sequence[pa.DataType]) -> pa.DataType | None:
    """The narrowest numeric type that holds the numbers of all ``types`` unchanged; None if there is none."""
    if not all(map(is_number, types)):
        return None
    found: pa.DataType | None = types[0]
    for kind in types[1:]:
        found = None if found is None else common_number(found, kind)
    if found is None or not t.is_floating(found):
        return found
    digits = 16 if t.is_float32(found) or t.is_float16(found) else 32
    is_exact = all(t.is_floating(kind) or (t.is_integer(kind) and kind.bit_width <= digits) for kind in types)
    return found if is_exact else None


def always_fits(source: pa.DataType, target: pa.DataType) -> bool:  # noqa: PLR0911  one line per kind of value
    """True if ``target`` has a value for every value of ``source``, rounded to floats and to coarser units of time."""
    source = plain(source)
    if t.is_null(source) or source.equals(target):
        return True
    if t.is_integer(source) and t.is_integer(target):
        return bool(target.equals(common_number(source, target)))
    if t.is_integer(source) or t.is_decimal(source):
        return _number_always_fits(source, target)
    if t.is_floating(source) or t.is_boolean(source):
        return bool(t.is_floating(target) or is_text(target))
    if is_text(source):
        return is_text(target)
    if is_bytes(source):
        return bool(t.is_binary(target) or t.is_large_binary(target))
    return bool(t.is_temporal(source)) and _time_always_fits(source, target)


def _number_always_fits(source: pa.DataType, target: pa.DataType) -> bool:
    """``always_fits`` of integers and decimals."""
    if not t.is_decimal(target):
        return bool(t.is_floating(target) or (t.is_integer(source) and is_text(target)))
    exact = as_decimal(source)
    before_point = target.precision - target.scale
    return bool(target.scale >= exact.scale and before_point >= exact.precision - exact.scale)


def _time_always_fits(source: pa.DataType, target: pa.DataType) -> bool:
    """``always_fits`` of dates, times and durations. A time of day fits every unit; others may overflow a finer one.

    A date does not always fit microseconds, because its range of years is larger.
    """
    if t.is_time(source):
        return bool(t.is_time(target))
    if t.is_date(source):
        coarse = ("s", "ms") if t.is_date32(source) else ("ms",)
        return bool(t.is_date64(target) or (t.is_timestamp(target) and target.unit in coarse))
    same_kind = (t.is_timestamp(source) and t.is_timestamp(target)) or (t.is_duration(source) and t.is_duration(target))
    return bool(same_kind and _finer(source.unit, target.unit) == source.unit)


def as_decimal(data_type: pa.DataType) -> pa.DataType:
    """The decimal that holds an integer type; a decimal as it is."""
    return pa.decimal128(_INT_DIGITS[data_type.bit_width], 0) if t.is_integer(data_type) else data_type


def _common_decimal(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if t.is_floating(one) or t.is_floating(other):
        return pa.float64()
    one, other = as_decimal(one), as_decimal(other)
    scale = max(one.scale, other.scale)
    digits = max(one.precision - one.scale, other.precision - other.scale) + scale
    if digits > _MOST_DIGITS:
        return None
    wide = digits > 38 or t.is_decimal256(one) or t.is_decimal256(other)
    return pa.decimal256(digits, scale) if wide else pa.decimal128(digits, scale)


def _common_temporal(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:  # noqa: PLR0911  a table
    if t.is_timestamp(one) and t.is_timestamp(other):
        return pa.timestamp(_finer(one.unit, other.unit), one.tz or other.tz)  # naive timestamps are UTC
    if t.is_timestamp(one) and t.is_date(other):
        return one
    if t.is_date(one) and t.is_timestamp(other):
        return other
    if t.is_date(one) and t.is_date(other):
        return pa.date64()
    if t.is_duration(one) and t.is_duration(other):
        return pa.duration(_finer(one.unit, other.unit))
    if t.is_time(one) and t.is_time(other):
        unit = _finer(one.unit, other.unit)
        return pa.time64(unit) if unit in ("us", "ns") else pa.time32(unit)
    return None


def _finer(one: str, other: str) -> str:
    return max(one, other, key=UNITS.index)
