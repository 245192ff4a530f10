"""Converts columns of times to the microseconds that event time is measured in."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Times: TypeAlias = npt.NDArray[np.int64]
"""Microseconds since 1970-01-01 00:00 UTC."""

EARLIEST, LATEST = -(2**62), 2**62
"""Times are limited to this range, 146,000 years around 1970, so that adding a delay to one cannot overflow."""

_LIMITED = 86_400_000_000
"""Times so close to an end of the range are beyond it: in coarse units the end is not a whole number."""

_UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_DAY = 86_400_000_000


class BeyondEventTime(ValueError):  # noqa: N818  sources and windows say where, for users
    """A time is beyond the range of event time, such as the infinity of a database; ``row`` is its first row."""

    def __init__(self, column: pa.Array, row: int) -> None:
        value = column[row]
        number = value.cast(pa.int32() if pa.types.is_date32(value.type) else pa.int64()).as_py()
        super().__init__(
            f"{value.type} has the value {number}, more than 146,000 years from 1970: is it a database's infinity?"
        )
        self.row = row


def within_range(name: str) -> str:
    """Advice for an event time ``name`` that is beyond the range."""
    condition = f"col({name!r}).dt.year().is_between(-100_000, 100_000)"
    return f"Declare event time behind a filter: .filter({condition}).with_event_time({name!r})"


def microseconds(column: pa.Array) -> Times:
    """The times in ``column`` (timestamps of any unit, dates), rounded down; the value of a null is not defined.

    A timestamp without a zone is UTC. Raises TypeError for other types.

    Raises:
        BeyondEventTime: a time is not in the range of event time.
    """
    ticks, factor = _ticks(column)
    if not ticks.size or (
        int(ticks.min()) * factor > EARLIEST + _LIMITED and int(ticks.max()) * factor < LATEST - _LIMITED
    ):
        return _scaled(ticks, factor)
    times = _limited(ticks, factor)
    _demand_range(column, times)
    return times


def _demand_range(column: pa.Array, times: Times) -> None:
    is_beyond = (times <= EARLIEST + _LIMITED) | (times >= LATEST - _LIMITED)
    if column.null_count:  # the memory of nulls may hold anything
        is_beyond &= column.is_valid().to_numpy(zero_copy_only=False)
    if is_beyond.any():
        raise BeyondEventTime(column, int(np.argmax(is_beyond)))


def limited_microseconds(column: pa.Array) -> Times:
    """``microseconds`` for bounds that event times are compared with: a time beyond event time is at its end."""
    return _limited(*_ticks(column))


def repeated(us: int, rows: int, data_type: pa.DataType) -> pa.Array:
    """A column of one time in every row. Casts cost more than the rows of a small batch, so most times need none."""
    times = pa.array(np.full(rows, us, np.int64))
    if pa.types.is_timestamp(data_type) and data_type.unit == "us":
        return times.view(data_type)
    return times.cast(data_type)


def _integers(column: pa.Array) -> Times:
    """The values without a copy: the memory of nulls is read as it is."""
    bits = column.type.bit_width
    data = np.frombuffer(column.buffers()[1] or b"", dtype=f"i{bits // 8}")
    return data[column.offset : column.offset + len(column)]


def _ticks(column: pa.Array) -> tuple[Times, int]:
    """The times in whole numbers of a unit, and the microseconds of this unit."""
    data_type = column.type
    if pa.types.is_date32(data_type):
        return _integers(column.view(pa.int32())).astype(np.int64), _DAY
    if pa.types.is_date64(data_type):
        return _integers(column.view(pa.int64())), 1_000
    if not pa.types.is_timestamp(data_type):
        raise TypeError(f"{data_type} is not a type of times")
    integers = _integers(column.view(pa.int64()))
    return (integers // 1_000, 1) if data_type.unit == "ns" else (integers, _UNITS[data_type.unit])


def _limited(ticks: Times, factor: int) -> Times:
    limit = LATEST // factor
    if ticks.size and (ticks.min() < -limit or ticks.max() > limit):
        ticks = np.clip(ticks, -limit, limit)
    return _scaled(ticks, factor)


def _scaled(ticks: Times, factor: int) -> Times:
    return ticks if factor == 1 else ticks * factor
