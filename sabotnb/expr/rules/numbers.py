"""Rules of functions of numbers: rounding, roots, logarithms, clipping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as t

from sabotnb.expr.rules.overload import Arg, Options, Overload, Refused, Rule, settle
from sabotnb.expr.scalars import FALSE, scalar
from sabotnb.expr.types import is_number

MOST_DIGITS = 76
"""Of a decimal."""


def _number(name: str, arg: Arg) -> pa.DataType:
    if not is_number(arg.type):
        raise Refused(f"{name} needs a number, this is {arg.type}; cast it first: .cast('double')")
    return arg.type


def _absolute(args: Sequence[Arg], _: Options) -> Overload:
    data_type = args[0].type if t.is_duration(args[0].type) else _number("abs", args[0])
    if t.is_floating(data_type):
        return Overload((data_type,), data_type, pc.abs)
    if t.is_duration(data_type):
        return Overload((data_type,), data_type, _absolute_duration, total=False)
    return Overload((data_type,), data_type, pc.abs_checked, total=False)


def _absolute_duration(data: Any) -> Any:
    return pc.cast(pc.abs_checked(pc.cast(data, pa.int64())), data.type)


def _rounding(args: Sequence[Arg], options: Options) -> Overload:
    """Halves go to the even neighbour, as in Python; integers stay integers."""
    data_type, digits = _number("round", args[0]), options["decimals"]
    if t.is_integer(data_type) and digits >= 0:
        return Overload((data_type,), data_type, _unchanged)

    if t.is_floating(data_type):
        return Overload((data_type,), data_type, _float_rounding(data_type, digits))

    def kernel(data: Any) -> Any:
        return pc.round(data, ndigits=digits, round_mode=_HALVES)

    if t.is_decimal(data_type):
        return _rounded_decimals(data_type, kernel, digits)
    wide = data_type if t.is_uint64(data_type) else pa.int64()
    return Overload((wide,), data_type, lambda data: pc.cast(kernel(data), data_type), total=False)


_HALVES = "half_to_even"


def _float_rounding(data_type: pa.DataType, digits: int) -> Callable[[Any], Any]:
    """Scale by a power of ten, round and scale back, because Arrow's own rounding overflows and is less exact.

    A double of 2 ** 52 or more is an integer, so scaled values of that size are returned unchanged.
    """
    if digits > _MOST_SHIFT:
        return _unchanged
    if digits < -_MOST_SHIFT:
        return _zeros
    power, fraction_below = scalar(10.0 ** abs(digits), pa.float64()), scalar(2.0**52 / 10.0**digits, pa.float64())
    enlarge, reduce = (pc.multiply, pc.divide) if digits > 0 else (pc.divide, pc.multiply)

    def kernel(data: Any) -> Any:
        wide = pc.cast(data, pa.float64())
        rounded = reduce(pc.round(enlarge(wide, power), round_mode=_HALVES), power)
        has_fraction = pc.less(pc.abs(wide), fraction_below)
        return pc.cast(pc.if_else(has_fraction, rounded, wide), data_type, safe=False)

    return kernel


_MOST_SHIFT = 308
"""Digits by which a double can be shifted."""


def _zeros(data: Any) -> Any:
    """Zeros with the signs of ``data``; NaN and infinities stay."""
    return pc.if_else(pc.is_finite(data), pc.multiply(data, pc.cast(scalar(0.0, pa.float64()), data.type)), data)


def _rounded_decimals(data_type: pa.DataType, kernel: Callable[[Any], Any], digits: int = 0) -> Overload:
    """Round with one more digit than the argument: 9.99 becomes 10.00, where Arrow would overflow to 0.00."""
    if digits >= data_type.scale > 0:
        return Overload((data_type,), data_type, _unchanged)
    precision = max(data_type.precision, data_type.scale - digits) + 1
    if precision > MOST_DIGITS:
        raise Refused(f"rounding {data_type} so could need {precision} digits; cast it to fewer: .cast('double')")
    result = (pa.decimal256 if t.is_decimal256(data_type) else pa.decimal128)(
        precision if t.is_decimal256(data_type) else min(precision, 38), data_type.scale
    )
    wide = result if precision <= 38 else pa.decimal256(precision, data_type.scale)
    return Overload((wide,), result, lambda data: pc.cast(kernel(data), result), total=False)


def _whole(name: str, function: Callable[..., Any]) -> Rule:
    def rule(args: Sequence[Arg], _: Options) -> Overload:
        data_type = _number(name, args[0])
        if t.is_integer(data_type):
            return Overload((data_type,), data_type, _unchanged)
        if t.is_decimal(data_type):
            return _rounded_decimals(data_type, function)
        return Overload((data_type,), data_type, function)

    return rule


def _unchanged(data: Any) -> Any:
    return data


def _real(name: str, function: Callable[..., Any]) -> Rule:
    """A function of real numbers: outside its domain it returns NaN or an infinity, as in IEEE 754."""

    def rule(args: Sequence[Arg], _: Options) -> Overload:
        data_type = _number(name, args[0])
        real = data_type if t.is_floating(data_type) else pa.float64()
        return Overload((real,), real, function)

    return rule


def _logarithm(args: Sequence[Arg], options: Options) -> Overload:
    data_type = _number("log", args[0])
    real = data_type if t.is_floating(data_type) else pa.float64()
    if options["base"] is None:
        return Overload((real,), real, pc.ln)
    base = scalar(float(options["base"]), real)
    return Overload((real,), real, lambda data: pc.logb(data, base))


def _clipping(args: Sequence[Arg], _: Options) -> Overload:
    """``clip``: bounds may be columns; a null bound sets no limit, NaN stays NaN."""
    wide = settle(args)
    if t.is_nested(wide):
        raise Refused(f"clip needs values that have an order, not {wide}")

    def kernel(data: Any, lower: Any, upper: Any) -> Any:
        raised = pc.if_else(pc.coalesce(pc.less(data, lower), FALSE), lower, data)
        return pc.if_else(pc.coalesce(pc.greater(raised, upper), FALSE), upper, raised)

    return Overload((wide, wide, wide), wide, kernel, strict=False)


RULES: dict[str, Rule] = {
    "abs": _absolute,
    "round": _rounding,
    "floor": _whole("floor", pc.floor),
    "ceil": _whole("ceil", pc.ceil),
    "sqrt": _real("sqrt", pc.sqrt),
    "exp": _real("exp", pc.exp),
    "log": _logarithm,
    "clip": _clipping,
}
