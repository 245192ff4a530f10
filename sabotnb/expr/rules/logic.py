"""Rules of comparisons, of ``& | ~`` with three-valued nulls, of tests for null and NaN, and of membership.

Comparisons with null are null. NaN compares as IEEE 754 says: unequal to everything, itself included, and neither
smaller nor larger (only sorting puts it last); ``is_nan`` finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as t

from sabotnb.expr.expression_nodes import RANGE_ENDS, Literal
from sabotnb.expr.literals import scalar_of, text_of
from sabotnb.expr.rules.overload import Arg, Options, Overload, Refused, Rule, settle
from sabotnb.expr.scalars import FALSE, TRUE, scalar

_BOOL = pa.bool_()
_COMPARISONS: dict[str, Callable[..., Any]] = {
    "equal": pc.equal,
    "not_equal": pc.not_equal,
    "less": pc.less,
    "less_equal": pc.less_equal,
    "greater": pc.greater,
    "greater_equal": pc.greater_equal,
}


def _comparison(kernel: Callable[..., Any]) -> Rule:
    def rule(args: Sequence[Arg], _: Options) -> Overload:
        wide = _comparable(args)
        return Overload((wide, wide), _BOOL, kernel)

    return rule


def _comparable(args: Sequence[Arg]) -> pa.DataType:
    """The type in which ``args`` are compared."""
    wide = settle(args)
    if t.is_nested(wide):
        raise Refused(f"{wide} cannot be compared; compare a part of it: .struct.field('x'), .list.get(0)")
    return wide


def _connective(symbol: str, kernel: Callable[..., Any]) -> Rule:
    def rule(args: Sequence[Arg], _: Options) -> Overload:
        for arg in args:
            if not t.is_boolean(arg.type) and not t.is_null(arg.type):
                raise Refused(
                    f"{symbol} needs booleans, this is {arg.type}; compare it with something, and put comparisons in "
                    f"parentheses: (a > 1) {symbol} (b < 2)"
                )
        return Overload((_BOOL, _BOOL), _BOOL, kernel, strict=False)

    return rule


def _inversion(args: Sequence[Arg], _: Options) -> Overload:
    if not t.is_boolean(args[0].type) and not t.is_null(args[0].type):
        raise Refused(f"~ needs a boolean, this is {args[0].type}; for the opposite of a number write -")
    return Overload((_BOOL,), _BOOL, pc.invert)


def _null_test(kernel: Callable[..., Any]) -> Rule:
    def rule(args: Sequence[Arg], _: Options) -> Overload:
        return Overload((args[0].type,), _BOOL, kernel, strict=False)

    return rule


def _float_test(name: str, kernel: Callable[..., Any], otherwise: bool) -> Rule:
    def rule(args: Sequence[Arg], _: Options) -> Overload:
        data_type = args[0].type
        if t.is_floating(data_type):
            return Overload((data_type,), _BOOL, kernel)
        if t.is_integer(data_type) or t.is_decimal(data_type):
            constant = TRUE if otherwise else FALSE
            return Overload((data_type,), _BOOL, lambda data: pc.if_else(pc.is_valid(data), constant, _NULL))
        raise Refused(f"{name} needs a float, this is {data_type}; for missing values there is .is_null()")

    return rule


_NULL = scalar(None, _BOOL)


def _membership(args: Sequence[Arg], _: Options) -> Overload:
    """``arg.is_in([...])``; the second argument is the literal list."""
    arg, listed = args
    literal = listed.literal
    if literal is None or not t.is_list(literal.type):
        raise Refused("is_in takes a list of values; to look up values of another stream, join with it (how='semi')")
    element = literal.type.value_type
    members = [Arg(element, Literal(value, element, literal.flexible)) for value in literal.value]
    wide = settle([arg, *members])
    values = [
        _member(member.literal, wide) for member in members if member.literal and member.literal.value is not None
    ]
    value_set = pa.array(values, wide)
    missing = _NULL if len(values) < len(members) else FALSE  # as in SQL, x IN (1, NULL) is never false

    def kernel(data: Any, _: Any) -> Any:
        found = pc.is_in(data, value_set=value_set)
        return pc.if_else(pc.is_valid(data), pc.if_else(found, TRUE, missing), _NULL)

    return Overload((wide, literal.type), _BOOL, kernel)


def _member(literal: Literal, data_type: pa.DataType) -> pa.Scalar:
    try:
        return scalar_of(literal, data_type)
    except pa.ArrowInvalid as error:
        raise Refused(f"{text_of(literal)} is not a {data_type}: {error}; write it as ISO 8601") from error


def _range(args: Sequence[Arg], options: Options) -> Overload:
    wide = _comparable(args)
    low, high = (_COMPARISONS[fn] for fn in RANGE_ENDS[options["closed"]])

    def kernel(data: Any, lower: Any, upper: Any) -> Any:
        return pc.and_kleene(low(data, lower), high(data, upper))

    return Overload((wide, wide, wide), _BOOL, kernel, strict=False)


RULES: dict[str, Rule] = {
    **{fn: _comparison(kernel) for fn, kernel in _COMPARISONS.items()},
    "and": _connective("&", pc.and_kleene),
    "or": _connective("|", pc.or_kleene),
    "not": _inversion,
    "is_null": _null_test(pc.is_null),
    "is_not_null": _null_test(pc.is_valid),
    "is_nan": _float_test("is_nan", pc.is_nan, otherwise=False),
    "is_finite": _float_test("is_finite", pc.is_finite, otherwise=True),
    "is_in": _membership,
    "is_between": _range,
}
