"""Infer the Arrow type that holds values of users without changing any."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from sabotnb.expr.exact import MISSING, REFUSALS, Misfit

DEEPEST = 60
"""Levels of lists and dicts in a value. Arrow recurses over them, and its IPC takes columns of 63."""

_MOST_DIGITS = 38
_LISTS = (list, tuple, np.ndarray)


def inferred_type(values: Sequence[Any]) -> pa.DataType:
    """Return the type of ``values``, which are of one kind; ``is_open`` is true of it if no value determines it.

    Integers beyond int64 are uint64 or decimal128.

    Raises:
        Misfit: no type holds all of them.
    """
    known = [value for value in values if type(value).__name__ not in MISSING]
    _check_depth(known)
    return _type_of(known)


def _type_of(known: Sequence[Any]) -> pa.DataType:
    try:
        return pa.array(known).type
    except OverflowError:
        return _type_by_parts(known)
    except REFUSALS as error:
        try:
            return _type_by_parts(known)
        except Misfit as misfit:
            raise Misfit(str(misfit) or str(error)) from error


def _type_by_parts(known: Sequence[Any]) -> pa.DataType:
    """The type of values for which Arrow finds none because they contain large integers."""
    present = [value for value in known if value is not None]
    if present and all(isinstance(value, _LISTS) for value in present):
        return pa.list_(_type_of(list(chain.from_iterable(present))))
    if present and all(isinstance(value, dict) for value in present):
        names = dict.fromkeys(chain.from_iterable(present))
        if all(isinstance(name, str) for name in names):
            return pa.struct([(name, _type_of([value.get(name) for value in present])) for name in names])
    if all(isinstance(value, int | np.integer | Decimal) and not isinstance(value, bool) for value in present):
        return _exact_type(present)
    raise Misfit("")


def _exact_type(numbers: Sequence[int | np.integer[Any] | Decimal]) -> pa.DataType:
    """The type of integers that are not all int64, or of integers and decimals."""
    exact = [number if isinstance(number, Decimal) else Decimal(int(number)) for number in numbers]
    has_decimals = any(isinstance(number, Decimal) for number in numbers)
    if not has_decimals and min(exact) >= 0 and max(exact) < 2**64:
        return pa.uint64()
    whole = scale = 0
    for number in exact:
        _, digits, exponent = number.as_tuple()
        if not isinstance(exponent, int):
            raise Misfit(f"{number} is not a decimal that Arrow has")
        whole, scale = max(whole, len(digits) + exponent), max(scale, -exponent)
    if whole + scale > _MOST_DIGITS:
        raise Misfit(f"some have more than the {_MOST_DIGITS} digits of decimal128")
    return pa.decimal128(_MOST_DIGITS, scale)


def _check_depth(values: Iterable[Any]) -> None:
    """Raise Misfit for values that are nested too deep, before Arrow or Python recurses over them."""
    level = [value for value in values if isinstance(value, list | tuple | dict)]
    for _ in range(DEEPEST):
        inner = chain.from_iterable(value.values() if isinstance(value, dict) else value for value in level)
        level = [value for value in inner if isinstance(value, list | tuple | dict)]
        if not level:
            return
    raise Misfit(f"some are nested more than {DEEPEST} levels deep")
