"""Rules of ``when/then/otherwise``, ``coalesce`` and ``cast``, which return an argument, perhaps as another type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as t

from sabotnb.expr.casting import cast_down
from sabotnb.expr.rules.overload import Arg, Options, Overload, Refused, Rule, settle
from sabotnb.expr.scalars import FALSE
from sabotnb.expr.types import always_fits
from sabotnb.native import as_values, is_ordered


def _case(args: Sequence[Arg], _: Options) -> Overload:
    """``when``: conditions and values in turn, then the value otherwise; a null condition is not true."""
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
    """``cast``: a value that the type cannot hold raises. Times are rounded down to coarser units."""
    source, target = args[0].type, options["type"]
    if is_ordered(target):
        advice = f"make it with Arrow before, or use {as_values(target.value_type)}"
        raise Refused(f"a cast does not tell the order of {target}; {advice}")
    if t.is_boolean(source) and (t.is_floating(target) or t.is_decimal(target)):
        number = pa.int8()
        kernel = _caster(target)
        return Overload((source,), target, lambda data: kernel(pc.cast(data, number)), always_fits(number, target))
    if t.is_floating(target) and t.is_integer(source):
        return Overload((source,), target, lambda data: pc.cast(data, target, safe=False))
    kernel = _caster(target)
    try:
        kernel(pa.nulls(0, source))
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        raise Refused(f"{source} cannot be cast to {target}; go over text: .cast('string').cast(...)") from error
    return Overload((source,), target, kernel, total=always_fits(source, target))


def _caster(target: pa.DataType) -> Callable[[Any], Any]:
    return lambda data: cast_down(data, target)


RULES: dict[str, Rule] = {
    "case": _case,
    "coalesce": _first_known,
    "cast": _cast,
}
