"""Calendar and clock of timestamps and dates in all years; Arrow's kernels wrap in years that are far from 1970.

Arrow counts years in 16 bits, so 32768 becomes -32768, and days in 32 bits. The Gregorian calendar repeats every 400
years, which are 146,097 days and a whole number of weeks. Moments far from 1970 are therefore computed as the same
moments of a year from 1970 to 2369.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types as t

from sabotnb.native.local_times import TICKS, integers, is_zoned, number_range, offsets, times_like

Kernel = Callable[[Any], Any]

_CYCLE_YEARS = 400
_CYCLE_DAYS = 146_097
_NEAR_DAYS = 30_000 * 365
"""Days before and after 1970 for which Arrow's kernels are right."""

_DAY = 86_400


def is_far(data: Any) -> bool:
    """True if ``data``, timestamps or dates, has a value in a year that Arrow may wrap."""
    if not _may_be_far(data.type):
        return False
    low, high = number_range(_array(data))
    return max(-low, high) > _NEAR_DAYS * _per_day(data.type)


def of_calendar(kernel: Kernel, *, counts_years: bool = False) -> Kernel:
    """``kernel``, a field of calendar or clock as an integer, by the zone's clock and for all years.

    ``counts_years`` if the field is the year.
    """

    def field(data: Any) -> Any:
        if isinstance(data, pa.Scalar):
            return field(_array(data))[0]
        near, cycles = near_local(data)
        found = kernel(near)
        if not counts_years or cycles is None:
            return found
        import pyarrow.compute as pc

        return pc.add(found, pc.multiply(cycles, _CYCLE_YEARS))

    return field


def near_local(data: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    """What clocks show, in years from 1970 to 2369 where Arrow would wrap, and how many cycles of 400 years earlier.

    The cycles are None if no moment is moved. Nanoseconds at the ends of their type become seconds, as the time that
    clocks show may lie beyond it.
    """
    if not is_far(data) and not is_zoned(data.type):
        return data, None
    numbers, unit = integers(data), None if t.is_date(data.type) else data.type.unit
    ahead = offsets(data) if is_zoned(data.type) else 0
    if unit == "ns" and _is_at_an_end(data):
        numbers, ahead, unit = numbers // TICKS["ns"], ahead // TICKS["ns"], "s"
    cycles = None
    if is_far(data):
        found, numbers = np.divmod(numbers, _CYCLE_DAYS * _per_day(data.type))
        cycles = times_like(found, data, pa.int64())
    naive = data.type if unit is None else pa.timestamp(unit)
    return times_like(numbers + ahead, data, naive), cycles


def local_dates(data: Any) -> Any:
    """The day that clocks show, as date32.

    Raises:
        pa.ArrowInvalid: a day is more than 2 ** 31 from 1970.
    """
    if isinstance(data, pa.Scalar):
        return local_dates(_array(data))[0]
    import pyarrow.compute as pc

    near, cycles = near_local(data)
    days = pc.cast(near, pa.date32(), safe=False)
    if cycles is None:
        return days
    counts = integers(days) + integers(cycles) * _CYCLE_DAYS
    if counts.size and not -(2**31) <= int(counts.min()) <= int(counts.max()) < 2**31:
        raise pa.ArrowInvalid("a day is more than 2 ** 31 days from 1970, which date32 does not hold")
    return times_like(counts, data, pa.date32())


def text_of_far(data: pa.Array, data_type: pa.DataType) -> pa.Array:
    """``data``, dates or naive timestamps of which ``is_far`` is true, as text, as Arrow writes other years."""
    import pyarrow.compute as pc

    near, cycles = near_local(data)
    limit = _NEAR_DAYS * _per_day(data.type)
    numbers = integers(data)
    far = pa.array((numbers < -limit) | (numbers > limit))
    texts = pc.if_else(far, near, data).cast(data_type)
    years = pc.add(pc.year(near), pc.multiply(cycles, _CYCLE_YEARS)).cast(data_type)
    behind = pc.utf8_slice_codeunits(texts, len("1970"))
    return pc.if_else(far, pc.binary_join_element_wise(years, behind, pa.scalar("", data_type)), texts)


def _may_be_far(data_type: pa.DataType) -> bool:
    return bool(t.is_date(data_type) or (t.is_timestamp(data_type) and data_type.unit != "ns"))


def _is_at_an_end(data: pa.Array) -> bool:
    low, high = number_range(data)
    return max(-low, high) > 2**63 - 2 * _DAY * TICKS["ns"]


def _array(data: Any) -> pa.Array:
    return pa.repeat(data, 1) if isinstance(data, pa.Scalar) else data


def _per_day(data_type: pa.DataType) -> int:
    if t.is_date32(data_type):
        return 1
    return _DAY * TICKS["ms" if t.is_date(data_type) else data_type.unit]
