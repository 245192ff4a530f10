"""Calendar functions in years that Arrow wraps: its kernels count years in 16 bits, so 32768 becomes -32768.

The Gregorian calendar repeats every 400 years, which are 146,097 days and a whole number of weeks. Moments far from
1970 are therefore computed as the same moments of a year from 1970 to 2369.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types as t

Kernel = Callable[[Any], Any]

_CYCLE_YEARS = 400
_CYCLE_DAYS = 146_097
_NEAR_DAYS = 30_000 * 365
"""Days before and after 1970 for which Arrow's kernels are right."""

_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000}


def is_far(data: Any) -> bool:
    """True if ``data``, timestamps or dates, has a value in a year that Arrow may wrap."""
    if not _may_be_far(data.type):
        return False
    import pyarrow.compute as pc

    bounds = pc.min_max(_numbers(data))
    return any(bounds[end].is_valid and abs(bounds[end].as_py()) > _limit(data.type) for end in ("min", "max"))


def of_calendar(kernel: Kernel, *, counts_years: bool = False) -> Kernel:
    """``kernel``, a field of the calendar as an integer, also for far years; ``counts_years`` if it is the year."""
    import pyarrow.compute as pc

    def field(data: Any) -> Any:
        local = _local(data)
        if not is_far(local):
            return kernel(data)
        near, cycles = _near(_array(local))
        found = kernel(near)
        if counts_years:
            found = pc.add(found, pc.multiply(cycles, _CYCLE_YEARS))
        return found[0] if isinstance(local, pa.Scalar) else found

    return field


def text_of_far(data: pa.Array, data_type: pa.DataType) -> pa.Array:
    """``data``, of which ``is_far`` is true, as text of ``data_type``, as Arrow writes other years."""
    import pyarrow.compute as pc

    near, cycles = _near(data)
    numbers = _numbers(data)
    limit = pa.scalar(_limit(data.type), numbers.type)
    far = pc.or_(pc.less(numbers, pc.negate(limit)), pc.greater(numbers, limit))
    texts = pc.if_else(far, near, data).cast(data_type)
    years = pc.add(pc.year(near), pc.multiply(cycles, _CYCLE_YEARS)).cast(data_type)
    behind = pc.utf8_slice_codeunits(texts, len("1970"))
    return pc.if_else(far, pc.binary_join_element_wise(years, behind, pa.scalar("", data_type)), texts)


def floor_months(data: Any, multiple: int) -> Any:
    """``data``, naive timestamps or dates, rounded down to multiples of months since 1970; for all years.

    The month that begins before the first moment of the type begins with that moment.
    """
    if isinstance(data, pa.Scalar):
        return floor_months(_array(data), multiple)[0]
    if not is_far(data):
        import pyarrow.compute as pc

        return pc.floor_temporal(data, multiple=multiple, unit="month")
    numbers = np.asarray(_numbers(data).fill_null(0))
    unit = "D" if t.is_date32(data.type) else "ms" if t.is_date(data.type) else data.type.unit
    months = numbers.astype(np.int64).view(f"datetime64[{unit}]").astype("datetime64[M]").astype(np.int64)
    floored = (months // multiple * multiple).view("datetime64[M]").astype(f"datetime64[{unit}]").astype(np.int64)
    floored = np.where(floored > numbers, np.iinfo(numbers.dtype).min, floored)  # it wrapped
    mask = np.asarray(data.is_null()) if data.null_count else None
    return pa.array(floored.astype(numbers.dtype), mask=mask).view(data.type)


def _may_be_far(data_type: pa.DataType) -> bool:
    return bool(t.is_date(data_type) or (t.is_timestamp(data_type) and data_type.unit != "ns"))


def _local(data: Any) -> Any:
    import pyarrow.compute as pc

    zoned = t.is_timestamp(data.type) and data.type.tz is not None and data.type.unit != "ns"
    return pc.local_timestamp(data) if zoned else data


def _near(data: pa.Array) -> tuple[pa.Array, pa.Array]:
    """The same moments of years from 1970 to 2369, and how many cycles of 400 years earlier these are."""
    numbers = np.asarray(_numbers(data).fill_null(0))
    cycles, near = np.divmod(numbers.astype(np.int64), _CYCLE_DAYS * _per_day(data.type))
    mask = np.asarray(data.is_null()) if data.null_count else None
    return pa.array(near.astype(numbers.dtype), mask=mask).view(data.type), pa.array(cycles)


def _array(data: Any) -> pa.Array:
    return pa.array([data], data.type) if isinstance(data, pa.Scalar) else data


def _limit(data_type: pa.DataType) -> int:
    return _NEAR_DAYS * _per_day(data_type)


def _numbers(data: Any) -> Any:
    whole = pa.int32() if t.is_date32(data.type) else pa.int64()
    return data.cast(whole) if isinstance(data, pa.Scalar) else data.view(whole)


def _per_day(data_type: pa.DataType) -> int:
    return 1 if t.is_date32(data_type) else _PER_DAY["ms" if t.is_date(data_type) else data_type.unit]
