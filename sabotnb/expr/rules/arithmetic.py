"""Rules of ``+ - * / // % **`` and negation.

Integer overflow and integer division by zero raise; floats follow IEEE 754.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as t

from sabotnb.expr.rules.decimals import decimal_sum
from sabotnb.expr.rules.overload import Arg, Options, Overload, Refused, Rule, empty_result, settle
from sabotnb.expr.scalars import scalar
from sabotnb.expr.types import is_number, is_text
from sabotnb.native import local_dates

_CHECKED: dict[str, Callable[..., Any]] = {
    "+": pc.add_checked,
    "-": pc.subtract_checked,
    "*": pc.multiply_checked,
}
_UNCHECKED: dict[str, Callable[..., Any]] = {"+": pc.add, "-": pc.subtract, "*": pc.multiply}


def _sum(symbol: str) -> Rule:
    def rule(args: Sequence[Arg], _: Options) -> Overload:
        left, right = args
        if symbol == "+" and is_text(left.type) and is_text(right.type):
            return _concatenation(args)
        if _are_numbers(args):
            return _number_sum(symbol, args)
        if _is_temporal(left.type) or _is_temporal(right.type):
            return _temporal_sum(symbol, left.type, right.type)
        raise _not_numbers(symbol, args)

    return rule


def _number_sum(symbol: str, args: Sequence[Arg]) -> Overload:
    wide = settle(args)
    if t.is_null(wide):
        raise _not_numbers(symbol, args)
    if t.is_floating(wide):
        return Overload((wide, wide), wide, _UNCHECKED[symbol])
    kernel = _CHECKED[symbol]
    if t.is_integer(wide):
        return Overload((wide, wide), wide, kernel, total=False)
    if all(t.is_integer(arg.type) for arg in args):  # uint64 and a signed type: a result that does not fit raises
        return Overload((pa.int64(), pa.int64()), pa.int64(), kernel, total=False)
    return decimal_sum(kernel, symbol, args, wide)


def _concatenation(args: Sequence[Arg]) -> Overload:
    text = settle(args)
    return Overload((text, text), text, lambda left, right: pc.binary_join_element_wise(left, right, _empty(text)))


def _empty(text: pa.DataType) -> pa.Scalar:
    return scalar("", text)


def _temporal_sum(symbol: str, left: pa.DataType, right: pa.DataType) -> Overload:
    if symbol == "+" and t.is_duration(left) and not t.is_duration(right):
        swapped = _temporal_sum("+", right, left)
        first, second = swapped.params
        return Overload((second, first), swapped.result, lambda a, b: swapped.kernel(b, a), total=False)
    if t.is_date(left) and t.is_duration(right):
        return Overload((pa.date32(), right), pa.date32(), _date_shift(symbol), total=False)
    if t.is_date(left) and t.is_date(right) and symbol == "-":
        return Overload((pa.date32(), pa.date32()), pa.duration("s"), pc.subtract)
    kernel = _CHECKED[symbol]
    params = (left, right)
    if symbol == "-" and t.is_timestamp(left) and (t.is_timestamp(right) or t.is_date(right)):
        wide = settle([Arg(left), Arg(right)])
        params = (wide, wide)
    if symbol == "*":
        return _duration_times(left, right)
    try:
        return Overload(params, empty_result(kernel, *params), kernel, total=False)
    except Refused:
        raise Refused(
            f"{left} {symbol} {right} has no meaning; durations go with timestamps, dates and durations"
        ) from None


def _duration_times(left: pa.DataType, right: pa.DataType) -> Overload:
    if not (t.is_duration(left) and t.is_integer(right)) and not (t.is_integer(left) and t.is_duration(right)):
        raise Refused(f"{left} * {right} has no meaning; a duration can be multiplied by an integer")
    params = tuple(pa.int64() if t.is_integer(kind) else kind for kind in (left, right))
    return Overload(params, left if t.is_duration(left) else right, pc.multiply_checked, total=False)


def _date_shift(symbol: str) -> Callable[..., Any]:
    def shift(dates: Any, by: Any) -> Any:
        moved = _CHECKED[symbol](pc.cast(dates, pa.timestamp("us")), by)
        return local_dates(moved)

    return shift


def _quotient(args: Sequence[Arg], _: Options) -> Overload:
    left, right = args
    if t.is_duration(left.type) and t.is_duration(right.type):
        wide = settle(args)
        return Overload((wide, wide), pa.float64(), _duration_ratio)
    if t.is_duration(left.type) and t.is_integer(right.type):
        return Overload((left.type, pa.int64()), left.type, pc.divide_checked, total=False)
    if not _are_numbers(args):
        raise _not_numbers("/", args)
    wide = settle(args)
    single = t.is_float32(wide)
    real = pa.float32() if single else pa.float64()
    return Overload((real, real), real, pc.divide)


def _duration_ratio(left: Any, right: Any) -> Any:
    return pc.divide(*(pc.cast(pc.cast(side, pa.int64()), pa.float64(), safe=False) for side in (left, right)))


def _floor_division(symbol: str, function: Callable[..., Any]) -> Rule:
    def rule(args: Sequence[Arg], _: Options) -> Overload:
        if not _are_numbers(args):
            raise _not_numbers(symbol, args)
        wide = settle(args)
        if t.is_decimal(wide):
            if not all(t.is_integer(arg.type) for arg in args):
                raise Refused(f"{symbol} has no kernel for {wide}; cast to float first: .cast('double')")
            wide = pa.int64()
        if t.is_null(wide):
            raise _not_numbers(symbol, args)
        kernel = _floored(function, wide, may_overflow=symbol == "//")
        return Overload((wide, wide), wide, kernel, total=t.is_floating(wide))

    return rule


def _floored(function: Callable[..., Any], data_type: pa.DataType, *, may_overflow: bool) -> Callable[..., Any]:
    """Apply a NumPy ``function`` that rounds toward minus infinity, as Python does, to Arrow data with nulls.

    ``may_overflow``: the smallest integer divided by -1 overflows. Its remainder does not: it is 0.
    """
    lowest = -(1 << data_type.bit_width - 1) if may_overflow and t.is_signed_integer(data_type) else None

    def divide(left: Any, right: Any) -> Any:
        if _has_nulls(left) or _has_nulls(right):
            valid = pc.and_(pc.is_valid(left), pc.is_valid(right))
            one = scalar(1, data_type)
            result = divide(pc.if_else(valid, left, one), pc.if_else(valid, right, one))
            return pc.if_else(valid, result, scalar(None, data_type))
        dividend, divisor = _numbers(left), _numbers(right)
        if not t.is_floating(data_type):
            if dividend.size and (divisor == 0).any():
                raise pa.ArrowInvalid("divide by zero")
            if lowest is not None and (divisor == -1).any() and ((divisor == -1) & (dividend == lowest)).any():
                raise pa.ArrowInvalid("overflow")
        with np.errstate(all="ignore"):
            result = np.atleast_1d(function(dividend, divisor))
        return pa.Array.from_buffers(data_type, len(result), [None, pa.py_buffer(result)])  # pa.array imports pandas

    return divide


def _has_nulls(data: Any) -> bool:
    return not data.is_valid if isinstance(data, pa.Scalar) else data.null_count > 0


def _numbers(data: Any) -> Any:
    if isinstance(data, pa.Scalar):
        return np.asarray(data.as_py(), data.type.to_pandas_dtype())  # a plain int beside uint64 would become a double
    return np.from_dlpack(data)  # to_numpy imports pandas


def _remainder(dividend: Any, divisor: Any) -> Any:
    """``np.mod``, but integers use the quotient: NumPy vectorizes only that, which is four times as fast."""
    if dividend.dtype.kind == "f":
        return np.mod(dividend, divisor)
    return dividend - np.floor_divide(dividend, divisor) * divisor


def _power(args: Sequence[Arg], _: Options) -> Overload:
    if not _are_numbers(args):
        raise _not_numbers("**", args)
    wide = settle(args)
    exponent = args[1].literal if args[1].adapts else None
    negative = exponent is not None and exponent.value is not None and exponent.value < 0
    if t.is_integer(wide) and not negative:
        return Overload((wide, wide), wide, pc.power_checked, total=False)
    if t.is_null(wide):
        raise _not_numbers("**", args)
    real = wide if t.is_floating(wide) else pa.float64()
    return Overload((real, real), real, pc.power)


def _negation(args: Sequence[Arg], _: Options) -> Overload:
    (arg,) = args
    if t.is_unsigned_integer(arg.type):
        return Overload((pa.int64(),), pa.int64(), pc.negate_checked, total=False)
    if not is_number(arg.type) and not t.is_duration(arg.type):
        raise Refused(f"- needs a number, not {arg.type}; for the opposite of a boolean write ~")
    if t.is_floating(arg.type):
        return Overload((arg.type,), arg.type, pc.negate)
    return Overload((arg.type,), arg.type, pc.negate_checked, total=False)


def _are_numbers(args: Sequence[Arg]) -> bool:
    return all(is_number(arg.type) or t.is_null(arg.type) for arg in args)


def _is_temporal(data_type: pa.DataType) -> bool:
    return bool(t.is_timestamp(data_type) or t.is_date(data_type) or t.is_duration(data_type))


def _not_numbers(symbol: str, args: Sequence[Arg]) -> Refused:
    sides = " and ".join(str(arg) for arg in args)
    if any(is_text(arg.type) for arg in args):
        return Refused(f"{symbol} needs numbers, these are {sides}; cast the text: .cast('double')")
    if any(t.is_boolean(arg.type) for arg in args):
        return Refused(f"{symbol} needs numbers, these are {sides}; cast the boolean: .cast('int64')")
    return Refused(f"{symbol} needs numbers, these are {sides}")


RULES: dict[str, Rule] = {
    "add": _sum("+"),
    "subtract": _sum("-"),
    "multiply": _sum("*"),
    "divide": _quotient,
    "floor_divide": _floor_division("//", np.floor_divide),
    "modulo": _floor_division("%", _remainder),
    "power": _power,
    "negate": _negation,
}
