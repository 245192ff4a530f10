"""Window shapes: how time, or the number of rows, divides the rows of a key. Plain data; all times are microseconds.

A window that has a start and an end holds the times ``start <= t < end``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import pyarrow as pa


class Clock(str, Enum):
    """The time by which rows are assigned to windows: that of the event, or that of their arrival."""

    EVENT = "event"
    PROCESSING = "processing"


class Unit(str, Enum):
    """The unit of the length of a tumbling window. Days, weeks and months depend on the time zone and the calendar."""

    MICROSECOND = "us"
    DAY = "d"
    WEEK = "w"
    MONTH = "mo"


@dataclass(frozen=True, slots=True)
class TumblingWindow:
    """Windows of ``size`` units that follow each other without gaps; one begins at midnight 1970-01-01 + ``offset``.

    Weeks begin on Mondays: one at midnight 1970-01-05. All go by the clock of the zone ``tz``.
    """

    size: int
    unit: Unit = Unit.MICROSECOND
    offset: int = 0
    tz: str = "UTC"
    clock: Clock = Clock.EVENT
    kind: ClassVar[str] = "tumbling"


@dataclass(frozen=True, slots=True)
class SlidingWindow:
    """Windows of ``size`` microseconds, one of which begins every ``every`` microseconds since 1970 + ``offset``."""

    size: int
    every: int
    offset: int = 0
    clock: Clock = Clock.EVENT
    kind: ClassVar[str] = "sliding"


@dataclass(frozen=True, slots=True)
class SessionWindow:
    """Rows of a key between which no time of ``gap`` microseconds or more passes; it ends ``gap`` after the last."""

    gap: int
    kind: ClassVar[str] = "session"


@dataclass(frozen=True, slots=True)
class CountWindow:
    """The last ``n`` rows of a key, after every ``every`` rows of it."""

    n: int
    every: int
    kind: ClassVar[str] = "count_window"


@dataclass(frozen=True, slots=True)
class GlobalWindow:
    """All rows of a key; without ``early`` results they are returned at the end."""

    kind: ClassVar[str] = "global_window"


@dataclass(frozen=True, slots=True)
class UntilWindow:
    """Ends at the time in ``column`` of the row, or at the row's own time if that is later; has no start."""

    column: str
    kind: ClassVar[str] = "until"


@dataclass(frozen=True, slots=True)
class SameWindow:
    """The window that the rows already have, in their columns ``window_start`` and ``window_end``."""

    kind: ClassVar[str] = "same_window"


WindowShape = TumblingWindow | SlidingWindow | SessionWindow | CountWindow | GlobalWindow | UntilWindow | SameWindow

PLACE = pa.schema([pa.field(name, pa.int64(), nullable=False) for name in ("\0start", "\0end", "\0admitted")])
"""Columns in front of partial aggregates: a part of a window, and the end of the first window that it counts for."""

WINDOW_START = "window_start"
WINDOW_END = "window_end"


def has_bounds(shape: WindowShape) -> bool:
    """True if the windows have a start and an end in time, so that results have columns for them."""
    return not isinstance(shape, CountWindow | GlobalWindow)


def bound_columns(shape: WindowShape) -> tuple[str, ...]:
    """Return the columns of results that say which window they are of."""
    if isinstance(shape, UntilWindow):
        return (WINDOW_END,)
    return (WINDOW_START, WINDOW_END) if has_bounds(shape) else ()


def uses_event_time(shape: WindowShape) -> bool:
    """True if the windows begin and end by the event time of rows."""
    return has_bounds(shape) and getattr(shape, "clock", Clock.EVENT) is Clock.EVENT
