"""Rounding, roots, logarithms, clipping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as t

from sabotnb.expr.rules.overload import Arg, Options, Overload, Refused, Rule, settle
from sabotnb.expr.scalars import FALSE, scalar
from sabotnb.expr.types import is_number


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
    """Halves go to the even neighbour, as in Python; integers stay integers. Large floats may overflow on the way."""
    data_type, digits = _number("round", args[0]), options["decimals"]
    if t.is_integer(data_type) and digits >= 0:
        return Overload((data_type,), data_type, _unchanged)

    def kernel(data: Any) -> Any:
        return pc.round(data, ndigits=digits, round_mode="half_to_even")

    return Overload((data_type,), data_type, kernel, total=t.is_floating(data_type) and digits <= 0)


def _whole(name: str, function: Callable[..., Any]) -> Rule:
    def rule(args: Sequence[Arg], _: Options) -> Overload:
        data_type = _number(name, args[0])
        if t.is_integer(data_type):
            return Overload((data_type,), data_type, _unchanged)
        return Overload((data_type,), data_type, function, total=t.is_floating(data_type))

    return rule


def _unchanged(data: Any) -> Any:
    return data


def _real(name: str, function: Callable[..., Any]) -> Rule:
    """A function of real numbers: what is outside of its domain gives NaN or an infinity, as in IEEE 754."""

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
    """Bounds may be columns; a null bound does not bound, NaN stays NaN."""
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
