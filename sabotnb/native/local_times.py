"""Convert between instants and what clocks of their time zone show, in all years; see ``zone_offsets``.

Use these and not Arrow's ``local_timestamp``, ``assume_timezone`` and functions of calendar fields for columns with a
time zone: from 2038 on Arrow has no daylight saving.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types as t

from sabotnb.native.zone_offsets import Integers, ZoneOffsets, near_times, zone_offsets

TICKS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
"""Ticks per second of each unit."""

_TWO_DAYS = 2 * 86_400
"""Seconds: more than the offset of any zone."""


def is_zoned(data_type: pa.DataType) -> bool:
    """True for timestamps with a time zone."""
    return bool(t.is_timestamp(data_type) and data_type.tz is not None)


def local_times(data: Any) -> Any:
    """The time that clocks show at each instant of ``data``, an array or a scalar, as timestamps without a zone.

    Raises:
        pa.ArrowInvalid: the type does not hold such a time, or there is no such zone.
    """
    if isinstance(data, pa.Scalar):
        return local_times(pa.repeat(data, 1))[0]
    instants = integers(data)
    local = instants + offsets(data)
    _demand_fit(local, instants, data)
    return times_like(local, data, pa.timestamp(data.type.unit))


def instants_at(local: pa.Array, zone: str, *, latest: bool) -> pa.Array:
    """The instants at which clocks of ``zone`` show ``local``, timestamps without a zone.

    Clocks that are put back show a time twice: ``latest`` chooses. Clocks that are put forward skip times; the instant
    of the change stands for a skipped one.

    Raises:
        pa.ArrowInvalid: the type does not hold such an instant.
    """
    ticks = TICKS[local.type.unit]
    shown = integers(local)
    near = near_times(shown, ticks)
    low, high = bounds(near, ticks)
    of = zone_offsets(zone, low - _TWO_DAYS, min(high + _TWO_DAYS, (2**63 - 1) // ticks))
    found = shown - (near - _near_instants(near, of, ticks, latest))
    _demand_fit(found, shown, local)
    return times_like(found, local, pa.timestamp(local.type.unit, zone))


def _near_instants(shown: Integers, of: ZoneOffsets, ticks: int, latest: bool) -> Integers:
    changes, seconds = of.changes * ticks, of.seconds * ticks
    found: Integers
    if not len(changes):
        found = shown - seconds[0]
    elif latest:
        number = np.searchsorted(changes + seconds[1:], shown, side="right")
        ends = np.append(changes, np.iinfo(np.int64).max)
        found = np.minimum(shown - seconds[number], ends[number])
    else:
        number = np.searchsorted(changes + seconds[:-1], shown, side="right")
        starts = np.append(np.iinfo(np.int64).min, changes)
        found = np.maximum(shown - seconds[number], starts[number])
    return found


def offsets(data: pa.Array) -> Integers | np.int64:
    """What clocks are ahead of UTC at each instant of ``data``, in ticks of its unit; one number if all are equal."""
    of, number = _numbered(data)
    seconds = of.seconds * TICKS[data.type.unit]
    return seconds[0] if number is None else seconds[number]


def clock_names(data: pa.Array) -> tuple[pa.Array, list[tuple[int, str]]]:
    """Number the rows of ``data`` by their offset; return the numbers, and the seconds and abbreviation of each."""
    of, number = _numbered(data)
    known = list(zip(of.seconds.tolist(), of.names, strict=True))
    return pa.array(np.zeros(len(data), np.int64) if number is None else number), known


def _numbered(data: pa.Array) -> tuple[ZoneOffsets, Integers | None]:
    """The offsets of the zone, and which of them each row has; None if there is only one."""
    ticks = TICKS[data.type.unit]
    near = near_times(integers(data), ticks)
    low, high = bounds(near, ticks)
    of = zone_offsets(data.type.tz, low, high)
    return of, np.searchsorted(of.changes * ticks, near, side="right") if len(of.changes) else None


def bounds(times: Integers, ticks: int) -> tuple[int, int]:
    """The smallest and the largest of ``times`` in whole seconds; zeros if there is none."""
    return (int(times.min()) // ticks, int(times.max()) // ticks) if times.size else (0, 0)


def integers(data: pa.Array) -> Integers:
    """The numbers that an array of timestamps or dates stores; 0 for a null."""
    numbers = data.view(pa.int32() if t.is_date32(data.type) else pa.int64())
    found = np.from_dlpack(numbers.fill_null(0) if numbers.null_count else numbers)  # to_numpy imports pandas
    return found.astype(np.int64, copy=False)


def number_range(data: pa.Array) -> tuple[int, int]:
    """The smallest and the largest number that an array of timestamps or dates stores; zeros if it has none."""
    import pyarrow.compute as pc

    ends = pc.min_max(data.view(pa.int32() if t.is_date32(data.type) else pa.int64()))
    return (ends["min"].as_py(), ends["max"].as_py()) if ends["min"].is_valid else (0, 0)


def times_like(numbers: Integers, data: pa.Array, data_type: pa.DataType) -> pa.Array:
    """``numbers`` as an array of ``data_type``, null where ``data`` is."""
    width = np.int32 if t.is_date32(data_type) else np.int64
    held = np.ascontiguousarray(numbers, width)
    made = pa.Array.from_buffers(data_type, len(numbers), [None, pa.py_buffer(held)])
    if not data.null_count:
        return made
    import pyarrow.compute as pc

    return pc.if_else(data.is_valid(), made, pa.nulls(1, data_type)[0])


def _demand_fit(moved: Integers, given: Integers, data: pa.Array) -> None:
    """Raise pa.ArrowInvalid if ``moved``, a few hours from ``given``, has passed an end of 64 bits."""
    if not len(given):
        return
    limit = 2**63 - _TWO_DAYS * TICKS[data.type.unit]
    if -limit <= int(given.min()) and int(given.max()) <= limit:
        return
    wrapped = np.abs(moved // 2 - given // 2) > 2**61
    if wrapped.any():
        raise pa.ArrowInvalid(f"a time on the clock of a zone lies beyond the last that {data.type} holds")
