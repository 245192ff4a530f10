"""``when/then/otherwise``, ``coalesce``, ``cast``: what gives one of its arguments, perhaps as another type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as t

from sabotnb.expr.rules.overload import Arg, Options, Overload, Refused, Rule, settle
from sabotnb.expr.scalars import FALSE
from sabotnb.expr.types import is_text


def _case(args: Sequence[Arg], _: Options) -> Overload:
    """Conditions and values in turn, then the value where no condition is true; a null condition is not true."""
    for condition in args[:-1:2]:
        if not t.is_boolean(condition.type) and not t.is_null(condition.type):
            raise Refused(f"when needs a boolean, this is {condition.type}; compare it with something")
    wide = settle([*args[1::2], args[-1]])

    def kernel(*data: Any) -> Any:
        chosen = data[-1]
        for condition, value in zip(reversed(data[:-1:2]), reversed(data[1::2]), strict=True):
            chosen = pc.if_else(pc.coalesce(condition, FALSE), value, chosen)
        return chosen

    params = tuple(pa.bool_() if place % 2 == 0 else wide for place in range(len(args) - 1))
    return Overload((*params, wide), wide, kernel, strict=False)


def _first_known(args: Sequence[Arg], _: Options) -> Overload:
    wide = settle(args)
    return Overload((wide,) * len(args), wide, pc.coalesce, strict=False)


def _cast(args: Sequence[Arg], options: Options) -> Overload:
    """Strict: a value that the type cannot hold raises. Finer units of time and fractions of seconds are cut off."""
    source, target = args[0].type, options["type"]
    if t.is_boolean(source) and (t.is_floating(target) or t.is_decimal(target)):
        return Overload((source,), target, lambda data: pc.cast(pc.cast(data, pa.int8()), target), pushable=False)
    if t.is_floating(target) and t.is_integer(source):
        return Overload((source,), target, lambda data: pc.cast(data, target, safe=False))
    coarser = t.is_temporal(source) and t.is_temporal(target)
    widening = _is_widening(source, target)

    def kernel(data: Any) -> Any:
        return pc.cast(data, target, safe=not coarser)

    try:
        kernel(pa.nulls(0, source))
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        raise Refused(f"{source} cannot be cast to {target}; go over text: .cast('string').cast(...)") from error
    return Overload((source,), target, kernel, total=widening, pushable=widening)


def _is_widening(source: pa.DataType, target: pa.DataType) -> bool:
    """True for casts that have a value for every value of ``source``."""
    if t.is_integer(source) and t.is_integer(target):
        signs = (t.is_signed_integer(source), t.is_signed_integer(target))
        return target.bit_width > source.bit_width and signs != (True, False)
    if t.is_floating(source) and t.is_floating(target):
        return True
    plain_values = t.is_integer(source) or t.is_floating(source) or t.is_boolean(source)
    return bool(source.equals(target) or (is_text(target) and (plain_values or is_text(source))))


RULES: dict[str, Rule] = {
    "case": _case,
    "coalesce": _first_known,
    "cast": _cast,
}
