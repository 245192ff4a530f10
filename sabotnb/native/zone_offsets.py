"""The offsets of time zones from UTC in all years, as ``zoneinfo`` has them.

Theory of operation. Arrow knows the changes of clocks that are listed in the files of time zones, and these lists end
in 2037 or earlier; the rule for all later years, which stands behind the list, it ignores. Python's ``zoneinfo``
follows the rule, but has no function for arrays and does not publish when clocks change. So the changes are searched
here: the offset is asked for every two days, and where it differs the second of the change is found by bisection. No
zone has ever changed its clock twice within three days.

Changes are found for 25 years at a time, when an instant of these years is first met. These *blocks* are a sixteenth
of the 400 years after which the Gregorian calendar repeats. No list reaches the year 2170, so later years are only
ruled by the calendar: an instant beyond 2570 has the offset of the instant that is a whole number of cycles earlier.
Before 1770 there were no changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Integers: TypeAlias = npt.NDArray[np.int64]

BLOCK = 788_923_800
"""Seconds of 25 years of the Gregorian calendar, on average."""

CYCLE = 16 * BLOCK
"""Seconds of 400 years, after which weekdays and leap years repeat."""

_FIRST, _REPEATED, _END = -8, 8, 24
"""Blocks since 1970: the first with changes, the first of the cycle that repeats, and the end of this cycle."""

_STEP = 2 * 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIXED = re.compile(r"([+-])(\d{2}):?(\d{2})")


@dataclass(frozen=True, slots=True)
class ZoneOffsets:
    """The offsets of a zone during some years.

    ``seconds`` and ``names`` are the offset and its abbreviation before the first of ``changes``, and from each on.
    """

    changes: Integers
    seconds: Integers
    names: tuple[str, ...]

    def between(self, low: int, high: int) -> ZoneOffsets:
        """The offsets that instants from ``low`` to ``high`` have."""
        first, last = np.searchsorted(self.changes, [low, high], side="right").tolist()
        return ZoneOffsets(self.changes[first:last], self.seconds[first : last + 1], self.names[first : last + 1])


def zone_offsets(zone: str, low: int, high: int) -> ZoneOffsets:
    """Return the offsets of ``zone`` from instant ``low`` to ``high``: seconds since 1970, of the years 1770 to 2570.

    Raises:
        pa.ArrowInvalid: this machine has no such zone.
    """
    return _offsets(zone, max(low // BLOCK, _FIRST), max(high // BLOCK, _FIRST)).between(low, high)


def near_times(times: Integers, ticks: int) -> Integers:
    """``times`` of ``ticks`` per second moved by whole cycles, or to 1770, so that ``zone_offsets`` has them."""
    first, begin, end = _FIRST * BLOCK * ticks, _REPEATED * BLOCK * ticks, _END * BLOCK * ticks
    if times.size and int(times.max()) >= end:
        times = np.where(times >= end, (times - begin) % (CYCLE * ticks) + begin, times)
    return np.maximum(times, first) if times.size and int(times.min()) < first else times


@lru_cache(maxsize=256)
def _offsets(zone: str, first: int, last: int) -> ZoneOffsets:
    blocks = [_block(zone, number) for number in range(first, last + 1)]
    return ZoneOffsets(
        np.concatenate([block.changes for block in blocks]),
        np.concatenate([blocks[0].seconds[:1], *(block.seconds[1:] for block in blocks)]),
        (blocks[0].names[0], *(name for block in blocks for name in block.names[1:])),
    )


@lru_cache(maxsize=1024)
def _block(zone: str, number: int) -> ZoneOffsets:
    if number >= _END:
        cycles = (number - _REPEATED) // 16
        block = _block(zone, number - 16 * cycles)
        return ZoneOffsets(block.changes + cycles * CYCLE, block.seconds, block.names)
    clock, begin = _tzinfo(zone), number * BLOCK
    found = [(begin, _state(clock, begin)), *_changes(clock, begin, begin + BLOCK)]
    return ZoneOffsets(
        np.array([at for at, _ in found[1:]], np.int64),
        np.array([seconds for _, (seconds, _) in found], np.int64),
        tuple(name for _, (_, name) in found),
    )


def _changes(clock: tzinfo, begin: int, end: int) -> Iterator[tuple[int, tuple[int, str]]]:
    """The instants after ``begin``, up to ``end``, at which clocks or their abbreviations change, and to what."""
    state = _state(clock, begin)
    for start in range(begin, end, _STEP):
        stop = min(start + _STEP, end)
        if (later := _state(clock, stop)) == state:
            continue
        before, after = start, stop
        while after - before > 1:
            middle = (before + after) // 2
            before, after = (middle, after) if _state(clock, middle) == state else (before, middle)
        state = later
        yield after, state


def _state(clock: tzinfo, at: int) -> tuple[int, str]:
    local = (_EPOCH + timedelta(seconds=at)).astimezone(clock)
    offset = local.utcoffset()
    assert offset is not None  # only naive times have none
    return offset // timedelta(seconds=1), local.tzname() or ""


def _tzinfo(zone: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    fixed = _FIXED.fullmatch(zone)
    if fixed is not None:
        sign, hours, minutes = fixed.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(-offset if sign == "-" else offset, f"{sign}{hours}{minutes}")
    try:
        return ZoneInfo(zone)
    except (OSError, ValueError, LookupError) as error:  # a folder; a path; no such key
        raise pa.ArrowInvalid(f"there is no time zone {zone!r} on this machine") from error
