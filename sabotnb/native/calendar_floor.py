"""Round timestamps and dates down to units of the calendar or of the clock, in all years.

Arrow's ``floor_temporal`` wraps where a unit begins before the first moment of the type, and counts days in 32 bits.
"""

from __future__ import annotations

from math import gcd
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types as t

from sabotnb.native.local_times import TICKS, integers, times_like
from sabotnb.native.zone_offsets import Integers

_MICROSECONDS_PER_DAY = 86_400_000_000


def floor_times(data: Any, size: int, origin: int = 0) -> Any:
    """``data``, naive timestamps or dates, rounded down to multiples of ``size`` microseconds since ``origin``.

    Raises:
        pa.ArrowInvalid: the type does not hold the moment at which a unit begins.
    """
    if isinstance(data, pa.Scalar):
        return floor_times(pa.repeat(data, 1), size, origin)[0]
    numbers = integers(data)
    if t.is_date32(data.type):
        ticks, per = 1, _MICROSECONDS_PER_DAY
    else:
        ticks, per = TICKS["ms" if t.is_date(data.type) else data.type.unit], 1_000_000
    finer = per // gcd(size * ticks, per)  # units begin between two moments of the type where this is above 1
    step = size * ticks * finer // per
    if step >= 2**63:
        raise pa.ArrowInvalid(f"{data.type} does not hold two units of this length")
    rest = numbers - np.floor_divide(numbers, step) * step  # as np.mod, which is four times slower
    if finer > 1:
        rest = -(-(rest * finer % step) // finer)
    elif begin := origin * ticks // per % step:
        rest -= begin
        rest += np.where(rest < 0, step, 0)
    return _made(numbers - rest, numbers, data)


def floor_months(data: Any, multiple: int) -> Any:
    """``data``, naive timestamps or dates, rounded down to multiples of months since 1970.

    Raises:
        pa.ArrowInvalid: the type does not hold the moment at which a month begins.
    """
    if isinstance(data, pa.Scalar):
        return floor_months(pa.repeat(data, 1), multiple)[0]
    numbers = integers(data)
    unit = "D" if t.is_date32(data.type) else "ms" if t.is_date(data.type) else data.type.unit
    months = numbers.view(f"datetime64[{unit}]").astype("datetime64[M]").astype(np.int64)
    floored = (months // multiple * multiple).view("datetime64[M]").astype(f"datetime64[{unit}]").astype(np.int64)
    return _made(floored, numbers, data)


def _made(floored: Integers, numbers: Integers, data: pa.Array) -> pa.Array:
    """``floored`` in the type of ``data``; pa.ArrowInvalid if a unit begins before the type's first moment."""
    first = -(2**31) if t.is_date32(data.type) else -(2**63)
    if floored.size and (int(floored.min()) < first or (floored > numbers).any()):
        raise pa.ArrowInvalid(f"a unit begins before the first moment that {data.type} holds")
    return times_like(floored, data, data.type)
