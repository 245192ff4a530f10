"""Convert Python values to literals, and literals to Arrow scalars."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pyarrow as pa
from pyarrow import types as t

from sabotnb.errors import TypeMismatch
from sabotnb.expr.arguments import is_hashable
from sabotnb.expr.durations import duration_us
from sabotnb.expr.exact import Misfit, exact_array
from sabotnb.expr.expression_nodes import Literal
from sabotnb.expr.inference import inferred_type
from sabotnb.expr.scalars import scalar
from sabotnb.native import plain_layout


def literal_of(value: Any, data_type: pa.DataType | None = None) -> Literal:
    """Return the literal of a Python, NumPy or Arrow value; ``data_type`` fixes its type.

    Raises:
        TypeMismatch: Arrow has no type for the value, or it does not fit ``data_type``.
    """
    if isinstance(value, pa.Scalar):
        return Literal(_plain(value), plain_layout(value.type), flexible=False)
    if hasattr(value, "dtype") and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return _of_numpy(value, data_type)
    if data_type is None and type(value) in _PLAIN:
        return _of_plain(value)
    if callable(value):
        name = getattr(value, "__name__", type(value).__name__)
        raise TypeMismatch(
            f"{name} is a function, not a value or a column. A function of a batch goes into .map_batches(fn), one of "
            "single values into a udf: sb.udf('double')(fn)(col('x'))"
        )
    try:
        made = exact_array([value], data_type if data_type is not None else inferred_type([value]))[0]
    except Misfit as misfit:
        fit = f" does not fit {data_type}" if data_type is not None else " cannot be a literal"
        raise TypeMismatch(f"{value!r} ({type(value).__name__}){fit}: {misfit}") from None
    literal = Literal(_plain(made), made.type, flexible=data_type is None)
    if not is_hashable(literal.value):
        raise TypeMismatch(f"{value!r} ({type(value).__name__}) cannot be a literal; make a column of each part of it")
    return literal


_PLAIN = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}


def _of_plain(value: Any) -> Literal:
    data_type = _PLAIN[type(value)]
    if isinstance(value, int) and not _number_fits(value, pa.int64()):
        if not _number_fits(value, pa.uint64()):
            raise TypeMismatch(f"{value} has more than 64 bits; write it as a float or a decimal.Decimal")
        data_type = pa.uint64()
    return Literal(value, data_type)


def list_literal(values: Iterable[Any]) -> Literal:
    """Return a list literal of values of one type, for ``is_in``; an Arrow array keeps its type."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        flexible = False
    else:
        given = [*(value.item() if hasattr(value, "item") else value for value in values)]
        if any(hasattr(value, "node") for value in given):
            raise TypeMismatch(f"is_in takes values, not expressions ({given}); write (x == one) | (x == other)")
        try:
            array = exact_array(given, inferred_type(given))
        except Misfit as misfit:
            raise TypeMismatch(f"the values of is_in must have one type: {misfit}") from None
        flexible = True
    if t.is_dictionary(array.type):
        array = array.dictionary_decode()
    if t.is_floating(array.type) and any(value.as_py() != value.as_py() for value in array if value.is_valid):
        raise TypeMismatch("NaN equals nothing, so is_in never finds it; write x.is_in([...]) | x.is_nan()")
    return Literal(tuple(_plain(value) for value in array), pa.list_(array.type), flexible)


def scalar_of(literal: Literal, data_type: pa.DataType) -> pa.Scalar:
    """Return the literal as a scalar of ``data_type``, which ``fits`` must allow.

    Text becomes dates and timestamps (ISO 8601; UTC where it names no zone).

    Raises:
        pa.ArrowInvalid: the text is not such a date.
    """
    if literal.value is None or literal.type.equals(data_type):
        return scalar(_value(literal), data_type)
    if t.is_decimal(data_type):
        return pa.scalar(Decimal(literal.value), data_type)
    own = own_scalar(literal)
    if t.is_string(literal.type) and t.is_timestamp(data_type) and data_type.tz is not None:
        try:
            return own.cast(pa.timestamp(data_type.unit)).cast(data_type)
        except pa.ArrowInvalid:  # the text names its zone
            return own.cast(data_type)
    return own.cast(data_type)


def own_scalar(literal: Literal) -> pa.Scalar:
    """Return the literal as a scalar of its own type."""
    return scalar(_value(literal), literal.type)


def _value(literal: Literal) -> Any:
    return list(literal.value) if isinstance(literal.value, tuple) else literal.value


def fits(literal: Literal, data_type: pa.DataType) -> bool:  # noqa: PLR0911  one line per kind of value
    """True if a flexible literal may take ``data_type`` without losing anything."""
    value, own = literal.value, literal.type
    if value is None or own.equals(data_type):
        return True
    if t.is_boolean(own):
        return False
    if t.is_integer(own) or t.is_floating(own) or t.is_decimal(own):
        return _number_fits(value, data_type)
    if t.is_string(own):
        return bool(t.is_large_string(data_type) or t.is_timestamp(data_type) or t.is_date(data_type))
    if t.is_binary(own):
        return bool(t.is_large_binary(data_type))
    if t.is_date(own):
        return bool(t.is_timestamp(data_type) or t.is_date(data_type))
    return _unit_fits(own, value, data_type)


def text_of(literal: Literal) -> str:
    """Return the literal as a user would write it."""
    if literal.value is None:
        return "None"
    if t.is_list(literal.type):
        element = literal.type.value_type
        shown = [text_of(Literal(value, element)) for value in literal.value[:5]]
        return f"[{', '.join(shown)}{', ...' if len(literal.value) > 5 else ''}]"
    if t.is_temporal(literal.type):
        own = own_scalar(literal)
        return repr(own.as_py()) if t.is_duration(literal.type) else repr(str(own))
    return repr(literal.value)


def _of_numpy(value: Any, data_type: pa.DataType | None) -> Literal:
    if value.dtype.kind in "mM":
        try:
            made = pa.array(value.reshape(1))[0]
        except pa.ArrowException as error:
            raise TypeMismatch(f"{value!r} has no unit of time; give it one: numpy.datetime64(value, 'us')") from error
        return Literal(_plain(made), data_type or made.type, flexible=data_type is None)
    return literal_of(value.item(), data_type)


def _plain(scalar: pa.Scalar) -> Any:
    """The value as ``Literal`` holds it: temporal values as the integer that they are stored as."""
    if not scalar.is_valid:
        return None
    if _counted(scalar.type):
        return scalar.value
    if t.is_list(scalar.type) or t.is_large_list(scalar.type):
        return tuple(_plain(value) for value in scalar.values)
    if t.is_dictionary(scalar.type):
        return _plain(scalar.value)
    return scalar.as_py()


def _counted(data_type: pa.DataType) -> bool:
    return bool(t.is_temporal(data_type) and not t.is_interval(data_type))


def _number_fits(value: int | float | Decimal, data_type: pa.DataType) -> bool:
    if t.is_floating(data_type):
        return not isinstance(value, Decimal)
    if t.is_integer(data_type) and isinstance(value, int):
        bits = data_type.bit_width - t.is_signed_integer(data_type)
        lowest = -(1 << bits) if t.is_signed_integer(data_type) else 0
        return bool(lowest <= value < 1 << bits)
    if t.is_decimal(data_type) and not isinstance(value, float):
        _, digits, exponent = Decimal(value).as_tuple()
        whole = len(digits) + int(exponent)
        return bool(-int(exponent) <= data_type.scale and whole <= data_type.precision - data_type.scale)
    return False


def _unit_fits(own: pa.DataType, value: int, data_type: pa.DataType) -> bool:
    """True for a timestamp, time or duration that is a whole number of units of ``data_type``."""
    same_kind = any(kind(own) and kind(data_type) for kind in (t.is_timestamp, t.is_duration, t.is_time))
    if not same_kind:
        return False
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
    return value * per_second[data_type.unit] % per_second[own.unit] == 0


def duration_literal(value: str | dt.timedelta) -> Literal:
    """Return the literal of a duration as users write it (``"1h30m"``)."""
    return Literal(duration_us(value), pa.duration("us"))
