"""Rules of ``+ - *`` of decimals: every digit is kept, and a value that needs more than 38 digits raises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as t

from sabotnb.expr.expression_nodes import Literal
from sabotnb.expr.rules.overload import Arg, Overload, Refused, empty_result
from sabotnb.expr.types import as_decimal

MOST_DIGITS = 38
"""Of a result, as long as no argument has more."""


def decimal_sum(kernel: Callable[..., Any], symbol: str, args: Sequence[Arg], wide: pa.DataType) -> Overload:
    """``kernel`` for decimals and integers, at least one of them a decimal; ``wide`` is the type that nulls take.

    The digits of a type are those that its values could have. A result that could need more than 38 is computed with
    up to 76, and raises for a value that does need more.

    Raises:
        Refused: a result could need more than 76 digits.
    """
    params = tuple(wide if t.is_null(arg.type) else _decimal_of(arg) for arg in args)
    try:
        return Overload(params, empty_result(kernel, *params), kernel, total=False)
    except Refused:
        large = tuple(pa.decimal256(param.precision, param.scale) for param in params)
    try:
        found = empty_result(kernel, *large)
    except Refused as refused:
        left, right = args
        if any(t.is_decimal(param) and param.scale < 0 for param in params):
            raise Refused(
                f"{left} {symbol} {right} has a negative scale, which has no sums and products; "
                "cast it first: .cast(pa.decimal128(38, 0))"
            ) from refused
        raise Refused(
            f"{left} {symbol} {right} could need more than 76 digits; cast one of them: "
            ".cast(pa.decimal128(18, 2)) or .cast('double')"
        ) from refused
    if found.scale > MOST_DIGITS or any(t.is_decimal256(param) for param in params):
        return Overload(large, found, kernel, total=False)
    result = pa.decimal128(MOST_DIGITS, found.scale)
    return Overload(large, result, lambda left, right: pc.cast(kernel(left, right), result), total=False)


def _decimal_of(arg: Arg) -> pa.DataType:
    if arg.literal is None or not arg.adapts:
        return as_decimal(arg.type)
    return _smallest(arg.literal)


def _smallest(literal: Literal) -> pa.DataType:
    """The narrowest decimal type that holds the literal as it is written."""
    _, digits, exponent = Decimal(literal.value).as_tuple()
    assert isinstance(exponent, int)  # NaN and infinities are floats
    scale = max(-exponent, 0)
    precision = max(len(digits) + max(exponent, 0), scale, 1)
    return pa.decimal128(precision, scale) if precision <= MOST_DIGITS else as_decimal(literal.type)
