"""Chooses a type that holds numbers from text without rounding one of 2**53 or more.

Arrow infers doubles for integers beyond int64 and for integers in a column with fractions. Doubles round integers from
2**53 on, so two different ids could become one value. Fractions of smaller numbers may be rounded: a double is what
users expect for them.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as t

LEAST_ROUNDED = 2.0**53
"""From this number on, one double may stand for several integers."""

_MOST_DIGITS = 38
_SHORT = 15
"""The number of decimal digits that a double always holds."""


def may_be_rounded(column: pa.Array | pa.ChunkedArray) -> bool:
    """True if a column of doubles has a value that may be a rounded integer; a quick test before text is parsed."""
    bounds = pc.min_max(column)
    return any(bounds[end].is_valid and abs(bounds[end].as_py()) >= LEAST_ROUNDED for end in ("min", "max"))


def is_rounded(number: Decimal) -> bool:
    """True for a number of 2**53 or more, written without an exponent, that no double equals."""
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int) or exponent > 0 or len(digits) <= _SHORT or abs(number) < LEAST_ROUNDED:
        return False
    return number != Decimal(float(number))


def number_type(numbers: Iterable[Decimal]) -> pa.DataType | None:
    """The first of int64, uint64, double and decimal128 that holds all ``numbers`` without rounding an integer.

    None if there is no such type. Numbers with an exponent count as doubles.
    """
    low = high = Decimal(0)
    whole = scale = 0
    has_exponents = has_rounded = False
    for number in numbers:
        _, digits, exponent = number.as_tuple()
        if not isinstance(exponent, int) or exponent > 0:
            has_exponents = True
            continue
        low, high = min(low, number or Decimal(-number.is_signed())), max(high, number)  # no unsigned type reads -0
        whole, scale = max(whole, len(digits) + exponent), max(scale, -exponent)
        has_rounded = has_rounded or is_rounded(number)
    if scale == 0 and not has_exponents and whole <= _MOST_DIGITS:
        return _integer_type(low, high)
    if not has_rounded:
        return pa.float64()
    return None if has_exponents or whole + scale > _MOST_DIGITS else pa.decimal128(_MOST_DIGITS, scale)


def joint_type(known: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """A type that holds what columns of both types hold, without rounding an integer; None if no type is known to."""
    if known.equals(other) or t.is_null(other):
        return known
    if t.is_null(known):
        return other
    if t.is_struct(known) and t.is_struct(other):
        return _joint_struct(known, other)
    if t.is_list(known) and t.is_list(other):
        inner = joint_type(known.value_type, other.value_type)
        return None if inner is None else pa.list_(inner)
    if _is_number(known) and _is_number(other):
        return _joint_number(known, other)
    return other if t.is_date(known) and t.is_timestamp(other) else None


def _joint_struct(known: pa.StructType, other: pa.StructType) -> pa.DataType | None:
    fields = {field.name: field.type for field in known}
    for field in other:
        joint = joint_type(fields.get(field.name, pa.null()), field.type)
        if joint is None:
            return None
        fields[field.name] = joint
    return pa.struct(list(fields.items()))


def _joint_number(known: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if t.is_integer(known) and t.is_integer(other):
        if t.is_unsigned_integer(known) and t.is_unsigned_integer(other):
            return pa.uint64()
        has_all = not known.equals(pa.uint64()) and not other.equals(pa.uint64())
        return pa.int64() if has_all else pa.decimal128(_MOST_DIGITS, 0)
    if t.is_decimal(known) and t.is_decimal(other):
        return pa.decimal128(_MOST_DIGITS, max(known.scale, other.scale))
    if t.is_decimal(known):
        return known if t.is_integer(other) else None
    if t.is_floating(known) and t.is_integer(other):
        return known if other.equals(pa.int64()) else None
    return other


def _is_number(data_type: pa.DataType) -> bool:
    return bool(t.is_integer(data_type) or t.is_floating(data_type) or t.is_decimal(data_type))


def _integer_type(low: Decimal, high: Decimal) -> pa.DataType:
    if low >= -(2**63) and high < 2**63:
        return pa.int64()
    return pa.uint64() if low >= 0 and high < 2**64 else pa.decimal128(_MOST_DIGITS, 0)
