"""Specs of joins whose partners are decided by keys and event time. Plain data; all times are microseconds.

Port 0 is the left input, port 1 the right. Both are streams, and neither is held whole in memory: a row is dropped when
the watermark says that no partner can come any more. A late row, behind the clock of its split, goes to the side output
``late``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sabotnb.graph.time_column import TimeColumn
from sabotnb.graph.window_shapes import WINDOW_END, WINDOW_START, SameWindow, WindowShape

JOIN_TIME = "join_time"
"""Column with the later of the two event times, where neither time column always has it."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A bound of the right event time: the left event time + ``us``, or the timestamp in the left ``column``."""

    us: int = 0
    column: str | None = None


@dataclass(frozen=True, slots=True)
class IntervalJoin:
    """Joins rows with equal keys if the right event time is from ``low`` to ``high``, both included.

    ``how`` is that of ``Join``. Without time columns, rows have the time of their arrival. The event time of an output
    row is the later of the two: ``event_time`` says which column has it.
    """

    left_on: tuple[str, ...]
    right_on: tuple[str, ...]
    left_time: TimeColumn | None
    right_time: TimeColumn | None
    low: Bound
    high: Bound
    how: str = "inner"
    suffix: str = "_right"
    kind: ClassVar[str] = "interval_join"

    @property
    def has_join_time(self) -> bool:
        """True if the output has the column ``JOIN_TIME``."""
        return self.left_time is not None and not (self.is_left_later or self.is_right_later)

    @property
    def is_left_later(self) -> bool:
        """True if the left event time is that of every output row."""
        never_after = self.high.column is None and self.high.us <= 0
        return self.how in ("semi", "anti") or (self.how in ("inner", "left") and never_after)

    @property
    def is_right_later(self) -> bool:
        """True if the right event time is that of every output row, and its column is in the output."""
        if self.low.column is not None or self.low.us < 0 or self.right_time is None:
            return False
        return self.how in ("inner", "right") and self.right_time.column not in self.right_on

    def columns(self, port: int) -> tuple[str, ...]:
        """The columns of an input that say which rows meet."""
        time = self.right_time if port else self.left_time
        bounds = () if port else (self.low.column, self.high.column)
        named = (*(self.right_on if port else self.left_on), None if time is None else time.column, *bounds)
        return tuple(dict.fromkeys(name for name in named if name is not None))


@dataclass(frozen=True, slots=True)
class AsofJoin:
    """Adds to each left row the right row with equal keys that is next to it in event time; nulls if there is none.

    ``direction``: backward (at or before the left time), forward (at or after it), nearest (the earlier of two that are
    as near). ``tolerance`` is the largest distance. Of several right rows at one time the smallest counts: columns are
    compared from the first to the last. The event time is that of the left row.
    """

    left_on: tuple[str, ...]
    right_on: tuple[str, ...]
    left_time: TimeColumn
    right_time: TimeColumn
    tolerance: int | None = None
    direction: str = "backward"
    suffix: str = "_right"
    how: ClassVar[str] = "left"
    kind: ClassVar[str] = "asof_join"

    def columns(self, port: int) -> tuple[str, ...]:
        """The columns of an input that say which rows meet."""
        keys, time = (self.right_on, self.right_time) if port else (self.left_on, self.left_time)
        return tuple(dict.fromkeys((*keys, time.column)))


@dataclass(frozen=True, slots=True)
class WindowJoin:
    """Joins rows with equal keys that are in the same window of event time, when the window ends.

    ``how`` is that of ``Join``. The window's bounds are in front of the output columns. With ``SameWindow``, which both
    inputs bring, they are in front only.
    """

    left_on: tuple[str, ...]
    right_on: tuple[str, ...]
    shape: WindowShape
    left_time: TimeColumn
    right_time: TimeColumn
    how: str = "inner"
    suffix: str = "_right"
    kind: ClassVar[str] = "window_join"

    @property
    def hidden(self) -> tuple[str, ...]:
        """The columns of both inputs that are not in the output, because the window's bounds are in front."""
        return (WINDOW_START, WINDOW_END) if isinstance(self.shape, SameWindow) else ()

    def columns(self, port: int) -> tuple[str, ...]:
        """The columns of an input that say which rows meet."""
        keys, time = (self.right_on, self.right_time) if port else (self.left_on, self.left_time)
        return tuple(dict.fromkeys((*keys, time.column, *self.hidden)))
