"""Where the event time of rows is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """The event time of a row is ``column`` + ``shift`` microseconds.

    A window's result has its event time at the last instant before its end: ``TimeColumn("window_end", -1)``.
    """

    column: str
    shift: int = 0
