"""Window shapes as users write them, and the windows of a grouping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa

from sabotnb.api.stream_node import StreamPlan
from sabotnb.api.verbs.missing_times import no_event_time
from sabotnb.api.verbs.time_pairs import demand_end_like_time
from sabotnb.api.verbs.verb_options import Duration
from sabotnb.errors import InvalidUse, SchemaError, TypeMismatch
from sabotnb.expr import calendar_units, duration_us, whole
from sabotnb.foreign import explained
from sabotnb.graph import (
    WINDOW_END,
    WINDOW_START,
    Aggregate,
    Clock,
    CountWindow,
    GlobalWindow,
    Reduce,
    SameWindow,
    SessionWindow,
    SlidingWindow,
    Top,
    TumblingWindow,
    Unit,
    UntilWindow,
    Window,
    WindowShape,
    uses_event_time,
)

LONGEST_YEARS = 10_000
LONGEST = LONGEST_YEARS * 365 * 86_400_000_000
"""Microseconds of the longest window: sums of times and windows then fit into 64 bits."""

_UNITS = {"d": Unit.DAY, "w": Unit.WEEK, "mo": Unit.MONTH}

_MONDAY = 4 * 86_400_000_000
"""1970-01-05, the first Monday: the microseconds since 1970-01-01."""


@explained
def tumbling(size: Duration, offset: Duration | None = None, tz: str = "UTC", time: str = "event") -> TumblingWindow:
    """Windows of one size that follow each other: ``sb.tumbling("10s")``, ``sb.tumbling("1mo", tz="Europe/Paris")``.

    Days (``"1d"``), weeks and months begin at midnight of the zone ``tz``, so a day may have 23 or 25 hours. Hours and
    minutes go by its clock too: ``"6h"`` begins at 00:00, 06:00, 12:00 and 18:00 all year. Weeks begin on Mondays;
    ``"7d"`` counts from 1970-01-01, a Thursday. ``offset`` moves all windows. ``time="processing"`` assigns rows by the
    time of their arrival.
    """
    clock = _clock(time)
    zone = _zone(tz)
    moved = _offset(offset)
    count, unit = calendar_units(size) if isinstance(size, str) else (0, "")
    if unit in _UNITS and (unit != "d" or zone != "UTC"):
        return TumblingWindow(_positive("size", size, count), _UNITS[unit], moved, zone, clock)
    return TumblingWindow(_positive("size", size, duration_us(size)), Unit.MICROSECOND, moved, zone, clock)


@explained
def sliding(size: Duration, every: Duration, offset: Duration | None = None, time: str = "event") -> SlidingWindow:
    """Windows of one size that overlap, one beginning at each ``every``: ``sb.sliding("1h", every="5m")``.

    Those of ``every="1w"`` begin on Mondays, others at multiples of ``every`` since 1970-01-01 UTC; ``offset`` moves
    all of them.
    """
    length, step = _positive("size", size, duration_us(size)), _positive("every", every, duration_us(every))
    if step > length:
        raise TypeMismatch(f"every={every!r} is longer than the window, {size!r}: rows in between would be lost")
    weekly = isinstance(every, str) and calendar_units(every)[1] == "w"
    return SlidingWindow(length, step, _offset(offset) + _MONDAY * weekly, _clock(time))


@explained
def session(gap: Duration) -> SessionWindow:
    """A window for each burst of rows of a key: it ends ``gap`` after the last of them, ``sb.session("30m")``."""
    return SessionWindow(_positive("gap", gap, duration_us(gap)))


@explained
def count_window(n: int, every: int | None = None) -> CountWindow:
    """The last ``n`` rows of a key, returned after every ``every`` rows (default ``n``: no row is in two windows)."""
    size = whole(n, TypeMismatch(f"count_window({n!r}): give a whole number of rows, at least 1"), 1)
    step = size if every is None else whole(every, TypeMismatch(f"every={every!r}: give a whole number of rows"), 1)
    if step > size:
        raise TypeMismatch(f"every={every!r} is more than the {size} rows of a window: rows between two would be lost")
    return CountWindow(size, step)


@explained
def global_window() -> GlobalWindow:
    """One window for all rows; with ``early=`` results so far are returned at that interval."""
    return GlobalWindow()


@explained
def until(column: str) -> UntilWindow:
    """A window for each time in ``column``, shared by rows of a key; it ends at that time: ``sb.until("expires")``."""
    if not isinstance(column, str):
        raise TypeMismatch(f"until({column!r}): give the name of a column of times")
    return UntilWindow(column)


@explained
def same_window() -> SameWindow:
    """The windows that the input already has, as it comes from another window."""
    return SameWindow()


@dataclass(frozen=True, slots=True)
class Windowing:
    """The arguments of ``window``, checked against a flow."""

    shape: WindowShape
    time: str | None
    shift: int
    lateness: int
    early: int | None

    def spec(self, verb: Aggregate | Top | Reduce, updated: tuple[str, ...] | None = None) -> Window:
        """The operator that applies ``verb`` in each window, to rows that are updates by ``updated``."""
        return Window(verb, self.shape, self.time, self.shift, self.lateness, self.early, updated)

    @property
    def columns(self) -> tuple[str, ...]:
        """The input columns that the windows need."""
        return self.spec(Aggregate((), (), pa.schema([]))).columns


def windowing(flow: StreamPlan, shape: Any, lateness: Duration, early: Duration | None) -> Windowing:
    """Check that ``flow`` can have these windows.

    Raises:
        SchemaError: windows over event time of rows without one, or ``same_window`` of rows without a window.
        TypeMismatch: a duration or a column that does not fit.
    """
    if not isinstance(shape, WindowShape):
        raise InvalidUse(f"{shape!r} is not a window; write sb.tumbling('10s'), sb.sliding(...), sb.session(...)")
    late = _bounded("lateness", lateness, duration_us(lateness))
    interval = None if early is None else _bounded("early", early, duration_us(early))
    if late < 0 or (interval is not None and interval <= 0):
        raise TypeMismatch("lateness= is '0s' or more, and early= is more than '0s'")
    if isinstance(shape, SessionWindow) and (late or interval):
        raise InvalidUse("a session that grows cannot replace its earlier result: leave out lateness= and early=")
    if isinstance(shape, CountWindow) and interval:
        raise InvalidUse(f"a count window returns results after every {shape.every} rows: leave out early=")
    if late and not uses_event_time(shape):
        raise InvalidUse(f"lateness= is for windows of event time, and {shape.kind} has no late rows: leave it out")
    time = flow.event_time
    if not uses_event_time(shape):
        return Windowing(shape, None, 0, 0, interval)
    if time is None:
        raise no_event_time(flow, f"window({shape.kind})")
    _check_columns(flow, shape)
    if isinstance(shape, SameWindow):
        late = max(late, flow.type.lateness)  # a correction of the input is one here, too
    return Windowing(shape, time.column, time.shift, late, interval)


def _check_columns(flow: StreamPlan, shape: WindowShape) -> None:
    names = flow.schema.names
    if isinstance(shape, SameWindow):
        if not {WINDOW_START, WINDOW_END} <= set(names):
            raise SchemaError("same_window() takes rows that a window has made: put .window(...).agg(...) before it")
        for name in (WINDOW_START, WINDOW_END):
            if not pa.types.is_timestamp(flow.schema.field(name).type):
                raise TypeMismatch(
                    f"same_window() reads {name!r}, which is {flow.schema.field(name).type}, not a timestamp: rename "
                    "yours, and put .window(...).agg(...) before it"
                )
        return
    if isinstance(shape, UntilWindow):
        kind = flow.schema.field(shape.column).type if shape.column in names else None
        if kind is None or not pa.types.is_timestamp(kind):
            raise TypeMismatch(
                f"until({shape.column!r}) needs a column of timestamps; the stream has: "
                f"{', '.join(name for name in names if pa.types.is_timestamp(flow.schema.field(name).type))}"
            )
        if flow.event_time is not None:
            demand_end_like_time(flow.schema.field(shape.column), flow.schema.field(flow.event_time.column))


def _positive(option: str, given: object, number: int) -> int:
    if number <= 0:
        raise TypeMismatch(f"{option}={given!r}: a window is longer than nothing, as in '10s'")
    return _bounded(option, given, number)


def _bounded(option: str, given: object, number: int) -> int:
    if abs(number) > LONGEST:
        raise TypeMismatch(f"{option}={given!r} is longer than event time, which has {LONGEST_YEARS:,} years")
    return number


def _offset(offset: Duration | None) -> int:
    return 0 if offset is None else _bounded("offset", offset, duration_us(offset))


def _clock(time: str) -> Clock:
    if time not in (Clock.EVENT.value, Clock.PROCESSING.value):
        raise TypeMismatch(f"time={time!r}: write 'event' or 'processing'")
    return Clock(time)


def _zone(tz: str) -> str:
    try:
        ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise TypeMismatch(f"tz={tz!r} is not a time zone; write its name, as in tz='Europe/Paris'") from None
    return tz
