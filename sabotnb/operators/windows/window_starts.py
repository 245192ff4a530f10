"""Find the panes of rows and the windows that a pane is part of: arithmetic on times, without state.

Theory of operation. A *pane* is the largest span of time that lies in the same windows. Windows that do not overlap are
one pane each. Windows of ``size`` that begin every ``every`` share panes of gcd(size, every), so that a row is stored
once, however many windows it is in.

``Panes.divide`` splits a batch by pane. Most batches are in order and span few panes, so it looks at the smallest and
the largest time first, then cuts a sorted batch by binary search, and only sorts the rows of the remaining batches.
All times are int64 microseconds. A window [start, end) is identified by both, as sessions may share an end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from typing import Protocol

import numpy as np
import pyarrow as pa

from sabotnb.errors import TypeMismatch
from sabotnb.eventtime import BeyondEventTime, microseconds
from sabotnb.graph import (
    WINDOW_END,
    WINDOW_START,
    GlobalWindow,
    SameWindow,
    SlidingWindow,
    TumblingWindow,
    Unit,
    UntilWindow,
    WindowShape,
)
from sabotnb.native import floor_months, floor_times, instants_at, integers, local_times
from sabotnb.operators.windows.clock_panes import ClockPanes
from sabotnb.operators.windows.panes import OneWindow, Pane, Rows, by_number
from sabotnb.protocol import MAX_WATERMARK, MIN_WATERMARK

DAY = 86_400_000_000
WEEK, FIRST_MONDAY = 7 * DAY, 4 * DAY

FEW_PANES = 8
"""Panes of a batch up to which its rows are compared with each."""


class Panes(Protocol):
    """How a window shape divides time."""

    @property
    def step(self) -> int:
        """Microseconds between the ends of two windows of a pane; 0 if a pane is in one window."""
        ...

    def divide(self, batch: pa.RecordBatch, times: np.ndarray) -> Iterator[tuple[Pane, Rows]]:
        """Yield the rows of each pane; rows keep their order. ``times`` are those of the rows of ``batch``."""
        ...

    def first_end(self, pane: Pane) -> int:
        """The end of the first window that has ``pane``."""
        ...

    def last_end(self, pane: Pane) -> int:
        """The end of the last window that has ``pane``."""
        ...


def panes_of(shape: WindowShape) -> Panes:
    """Return the panes of a shape whose windows do not depend on other rows."""
    match shape:
        case TumblingWindow():
            return _tumbling(shape)
        case SlidingWindow(size=size, every=every, offset=offset):
            return SlidingPanes(size, every, offset)
        case UntilWindow(column=column):
            return UntilPanes(column)
        case SameWindow():
            return GivenPanes()
        case GlobalWindow():
            return WholePane()
    raise TypeError(f"windows of {shape.kind} depend on other rows")


def _tumbling(shape: TumblingWindow) -> Panes:
    if shape.unit is Unit.MICROSECOND:
        return FixedPanes(shape.size, shape.offset) if shape.tz == "UTC" else ClockPanes(shape)
    if shape.unit is Unit.WEEK and shape.tz == "UTC":
        return FixedPanes(shape.size * WEEK, shape.offset + FIRST_MONDAY)
    return CalendarPanes(shape)


@dataclass(frozen=True, slots=True)
class FixedPanes(OneWindow):
    """Panes of one size."""

    size: int
    offset: int = 0

    def divide(self, batch: pa.RecordBatch, times: np.ndarray) -> Iterator[tuple[Pane, Rows]]:
        size, offset = self.size, self.offset
        low, high = int(times.min()), int(times.max())
        start = low - (low - offset) % size
        if high - start < size:
            yield Pane(start, start + size), slice(0, len(times))
            return
        if (times[1:] >= times[:-1]).all():
            yield from _cut(times, start, size)
            return
        if high - start < FEW_PANES * size:  # comparing with each pane is faster than sorting
            for first in range(start, high + 1, size):
                among = np.flatnonzero((times >= first) & (times < first + size))
                if len(among):
                    yield Pane(first, first + size), among
            return
        for number, rows in by_number((times - offset) // size):  # times - start may not fit into 64 bits
            yield Pane(offset + number * size, offset + (number + 1) * size), rows


def _cut(times: np.ndarray, start: int, size: int) -> Iterator[tuple[Pane, Rows]]:
    """Cut sorted times into panes, the first of which begins at ``start``."""
    if (int(times[-1]) - start) // size < len(times):
        starts = np.arange(start, int(times[-1]) + 1, size)
    else:  # most panes between two rows have none
        starts = np.unique((times - start % size) // size * size + start % size)
    bounds = np.append(np.searchsorted(times, starts), len(times)).tolist()
    for number, of_pane in enumerate(starts.tolist()):
        if bounds[number] < bounds[number + 1]:
            yield Pane(of_pane, of_pane + size), slice(bounds[number], bounds[number + 1])


@dataclass(frozen=True, slots=True)
class SlidingPanes:
    """Panes of the greatest common divisor of the size of the windows and of the distance between them."""

    size: int
    every: int
    offset: int = 0

    @property
    def step(self) -> int:
        return self.every

    @property
    def pane(self) -> int:
        """The length of a pane."""
        return gcd(self.size, self.every)

    def divide(self, batch: pa.RecordBatch, times: np.ndarray) -> Iterator[tuple[Pane, Rows]]:
        return FixedPanes(self.pane, self.offset).divide(batch, times)

    def first_end(self, pane: Pane) -> int:
        ends = self.offset + self.size  # the ends of windows are this plus multiples of every
        return pane.end + (ends - pane.end) % self.every

    def last_end(self, pane: Pane) -> int:
        ends = self.offset + self.size
        latest = pane.start + self.size
        return latest - (latest - ends) % self.every


class CalendarPanes(OneWindow):
    """Panes of whole days, weeks or months of a time zone."""

    def __init__(self, shape: TumblingWindow) -> None:
        self._shape = shape

    def divide(self, batch: pa.RecordBatch, times: np.ndarray) -> Iterator[tuple[Pane, Rows]]:
        starts = self._starts(times)
        distinct = np.unique(starts)
        ends = dict(zip(distinct.tolist(), self._ends(distinct).tolist(), strict=True))
        for start, rows in by_number(starts):
            yield Pane(start, ends[start]), rows

    def _starts(self, times: np.ndarray) -> np.ndarray:
        return self._instants(self._floor(self._local(times)))

    def _ends(self, starts: np.ndarray) -> np.ndarray:
        """The starts of the next panes: adding a day, a week, or 31 days for a month, leads into the next pane."""
        days = self._shape.size * {Unit.DAY: 1, Unit.WEEK: 7}.get(self._shape.unit, 31)
        return self._instants(self._floor(_zoned(integers(self._local(starts)) + days * DAY, None)))

    def _local(self, times: np.ndarray) -> pa.Array:
        return local_times(_zoned(times - self._shape.offset, self._shape.tz))

    def _floor(self, local: pa.Array) -> pa.Array:
        size = self._shape.size
        if self._shape.unit is Unit.DAY:
            return floor_times(local, size * DAY)
        if self._shape.unit is Unit.WEEK:
            return floor_times(local, size * WEEK, FIRST_MONDAY)
        return floor_months(local, size)

    def _instants(self, local: pa.Array) -> np.ndarray:
        return integers(instants_at(local, self._shape.tz, latest=False)) + self._shape.offset


def _zoned(times: np.ndarray, tz: str | None) -> pa.Array:
    return pa.array(times).view(pa.timestamp("us", tz))


@dataclass(frozen=True, slots=True)
class UntilPanes(OneWindow):
    """A pane for each time in a column; it has no start. A time before that of the row counts as the row's own."""

    column: str

    def divide(self, batch: pa.RecordBatch, times: np.ndarray) -> Iterator[tuple[Pane, Rows]]:
        ends = np.maximum(known_times(batch, self.column), times + 1)
        for end, rows in by_number(ends):
            yield Pane(MIN_WATERMARK, end), rows


class GivenPanes(OneWindow):
    """The windows that rows have in their columns."""

    def divide(self, batch: pa.RecordBatch, times: np.ndarray) -> Iterator[tuple[Pane, Rows]]:
        starts, ends = known_times(batch, WINDOW_START), known_times(batch, WINDOW_END)
        for end, rows in by_number(ends):
            for start, among in by_number(starts[rows]):
                yield Pane(start, end), _of(rows, among, len(ends))


class WholePane(OneWindow):
    """One pane for all rows."""

    def divide(self, batch: pa.RecordBatch, times: np.ndarray) -> Iterator[tuple[Pane, Rows]]:
        yield Pane(MIN_WATERMARK, MAX_WATERMARK), slice(0, batch.num_rows)


def _of(rows: Rows, among: Rows, count: int) -> Rows:
    """Rows ``among`` those of ``rows``."""
    return np.arange(count)[rows][among]


def known_times(batch: pa.RecordBatch, name: str) -> np.ndarray:
    """The times in a column that says which window a row is in; TypeMismatch if one is null."""
    column = batch.column(name)
    if column.null_count:
        raise TypeMismatch(
            f"{name!r} says which window a row is in, and is null in {column.null_count:,} of {len(column):,} rows. "
            f"Drop them before the window: .filter(col({name!r}).is_not_null())"
        )
    try:
        return microseconds(column)
    except BeyondEventTime as error:
        bounded = f"col({name!r}).dt.year().is_between(-100_000, 100_000)"
        raise TypeMismatch(
            f"{name!r} says which window a row is in: {error} Drop such rows before the window: .filter({bounded})"
        ) from None


def end_after(panes: Panes, pane: Pane, clock: int) -> int:
    """The end of the first window of ``pane`` that ends after ``clock``; MAX_WATERMARK if all have ended."""
    first = panes.first_end(pane)
    if clock < first:
        return first
    if not panes.step or clock >= panes.last_end(pane):
        return MAX_WATERMARK
    return first + ((clock - first) // panes.step + 1) * panes.step


def ends_after(panes: Panes, pane: Pane, clocks: np.ndarray) -> np.ndarray:
    """``end_after`` for each of ``clocks``."""
    first, last = panes.first_end(pane), panes.last_end(pane)
    ahead = np.maximum(clocks, first - 1)  # the same answer for all clocks before the first end
    if not panes.step:
        return np.where(ahead < first, first, MAX_WATERMARK)
    open_until = np.minimum(ahead, last)  # clocks may be at the ends of int64
    ends = first + ((open_until - first) // panes.step + 1) * panes.step
    return np.where(ahead < last, ends, MAX_WATERMARK)
