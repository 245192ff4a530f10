"""Event time in a source: reads the times of raw rows, runs the clock of each file, and warns about both.

A split that reads several files, one after the other, has a clock for each; its watermark is the smallest of the clock
of the file that is open and the lower bound of the files that are known to follow.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sabotnb import expr
from sabotnb.connectors.file_schemas import declared
from sabotnb.connectors.sources.raw_batches import NextFile
from sabotnb.connectors.sources.row_shape import event_time_columns, with_type
from sabotnb.errors import SourceError
from sabotnb.eventtime import LATEST, BeyondEventTime, DelayedRows, SplitClock, Times, microseconds, within_range
from sabotnb.graph import EventTime
from sabotnb.graph import Source as Spec
from sabotnb.protocol import MAX_WATERMARK, MIN_WATERMARK, Split

Mask: TypeAlias = npt.NDArray[np.bool_]

log = logging.getLogger(__name__)

AHEAD_US = 86_400_000_000
"""Event times that are further ahead of the arrival of their rows do not advance the clock."""

ALARM_ROWS, ALARM_SHARE = 10_000, 0.05
"""A file in which a larger share of at least so many rows is delayed is not in the order of event time."""

_UNITS = (("days", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000))


class SourceTimes:
    """The event time of a source: makes the times of its splits, and warns once of each fault that it finds in them."""

    def __init__(self, spec: Spec, time: EventTime, clock: Callable[[], float]) -> None:
        self.time = time
        self.computed = spec.event_time is None
        """True if the times are computed behind the source."""
        types = declared(spec)
        read = [] if self.computed else event_time_columns(time)
        self._fields = [types.field(name) for name in dict.fromkeys(read)]
        self._source = spec.connector
        self._endless = not spec.bounded
        self._clock = clock
        self._warned: set[str] = set()
        self.tell: Callable[[str, str], None] = lambda _kind, message: log.warning("%s", message)
        """Called with the kind and the description of a fault."""

    def of(self, split: Split) -> SplitTimes:
        """The times of ``split``, which is read from its beginning."""
        return SplitTimes(self, split)

    def read(self, raw: pa.RecordBatch, name: str, rows_before: int) -> tuple[Times, Mask | None]:
        """The event times of the rows of ``raw`` that have one, and which have; None if all.

        SourceError for a null among them. ``rows_before`` were read from the file ``name``.
        """
        mask = None
        for field in self._fields:
            raw = with_type(raw, field)
        if self.time.predicate is not None:
            passes = expr.evaluate(self.time.predicate, raw).fill_null(fill_value=False)
            mask, raw = passes.to_numpy(zero_copy_only=False), raw.filter(passes)
        column, called = raw.column(self.time.column), self.time.column
        if column.null_count:
            row = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
            where = self._where(mask, rows_before + row, name)
            raise SourceError(
                f"event time {called!r} is null {where}. Declare event time behind a filter: "
                f".filter(col({called!r}).is_not_null()).with_event_time({called!r})"
            )
        try:
            return microseconds(column), mask
        except BeyondEventTime as error:
            where = self._where(mask, rows_before + error.row, name)
            raise SourceError(f"event time {called!r} {where}: {error} {within_range(called)}") from None

    def _where(self, mask: Mask | None, rows_before: int, name: str) -> str:
        """The row behind ``rows_before``; which it is, is not known behind a filter."""
        place = name or self._source
        return (
            f"in row {rows_before + 1:,} of {place}" if mask is None else f"in a row of {place} that passes the filter"
        )

    def future(self) -> int:
        """The event time behind which rows that arrive now are in the far future."""
        return far_future(self._clock())

    def check(self, clock: SplitClock, name: str) -> None:
        """Warn once if rows are in the far future, and of the order of rows where no end will tell the final share."""
        if clock.ahead:
            self._warn(
                "ahead",
                f"{self.time.column} has times more than a day ahead of their arrival in {name or self._source}; they "
                "do not advance event time. Correct them, or drop them with a filter before .with_event_time",
            )
        if self._endless:
            self.check_order(clock, name, ended=False)

    def check_order(self, clock: SplitClock, name: str, *, ended: bool) -> None:
        """Warn once if the rows of a file are not in order: of all of them if it has ``ended``, or of those so far."""
        share = clock.delayed / max(clock.rows, 1)
        if clock.rows < ALARM_ROWS or share <= ALARM_SHARE:
            return
        rows = "rows" if ended else f"the first {clock.rows:,} rows"
        self._warn(
            "order",
            f"{self.time.column} runs backwards by up to {_long(clock.most_delayed)} in {name or self._source}; "
            f"with max_delay='{_short(self.time.max_delay)}' {100 * share:.0f} % of {rows} "
            "would be late. Sort the file, split it into sorted runs, or raise max_delay.",
        )

    def _warn(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            self.tell(kind, message)


class SplitTimes:
    """The event time of one split; ``watermark`` is a time below which no further row is, unless it is delayed."""

    def __init__(self, source: SourceTimes, split: Split) -> None:
        self._source = source
        self._max_delay = source.time.max_delay
        self._name = _named(split.position.get("file", ""))
        self._clock = SplitClock(self._max_delay)
        self._rest = MAX_WATERMARK
        self._ahead = 0
        self.computed = source.computed
        self._floor = MIN_WATERMARK
        self._state: Mapping[str, Any] | None = split.position.get("clock")
        self.watermark = below(split.lower_bound, self._max_delay)
        if self._state is not None:
            self.watermark, self._floor = self._state["watermark"], self._state["least"]

    def next_file(self, file: NextFile) -> None:
        """Begin another file; one that was found later begins at the watermark."""
        self.end(ended=True)
        self._name, self._rest = _named(file.file), file.rest
        self._begin(SplitClock(self._max_delay))
        if file.found and self.watermark > MIN_WATERMARK:
            self._clock.raise_floor(self.watermark)
        self._rise(below(file.lower_bound, self._max_delay))

    def end(self, *, ended: bool) -> None:
        """Warn if the rows of the open file, which has ``ended`` or is left, are not in order."""
        self._source.check_order(self._clock, self._name, ended=ended)

    def restore(self) -> None:
        """Continue the clock of the position at which the split was opened: the rows before it have been skipped."""
        if self._state is not None:
            self._begin(SplitClock(self._max_delay, self._state))
            self._state = None

    def raise_floor(self, us: int) -> None:
        """Let the clock be ``us`` at least, from the next row on, also in the files that follow."""
        self._floor = max(self._floor, us)
        self._clock.raise_floor(us)

    def skip(self, maximum: int) -> None:
        """Advance over rows that are not read."""
        self._clock.pass_over(maximum)
        self._advanced()

    def advance(self, raw: pa.RecordBatch) -> DelayedRows | None:
        """Move over the next rows; returns which are delayed, None if none is. SourceError for a null event time."""
        times, timed = self._source.read(raw, self._name, self._clock.rows)
        delayed = self.advance_to(times)
        return delayed if delayed is None or timed is None else _among_all(delayed, timed)

    def advance_to(self, times: Times) -> DelayedRows | None:
        """Move over the next rows, which have these event times; returns which are delayed, None if none is."""
        ahead = self._clock.ahead
        delayed = self._clock.advance(times, self._source.future())
        self._ahead += self._clock.ahead - ahead
        if delayed is not None or self._clock.ahead:
            self._source.check(self._clock, self._name)
        self._advanced()
        return delayed

    def take_ahead(self) -> int:
        """The rows in the far future since the last call."""
        ahead, self._ahead = self._ahead, 0
        return ahead

    def position(self) -> Mapping[str, Any]:
        """The JSON-able state with which another reader continues."""
        return {"clock": {**self._clock.state(), "watermark": self.watermark, "least": self._floor}}

    def _begin(self, clock: SplitClock) -> None:
        self._clock = clock
        if self._floor > MIN_WATERMARK:
            clock.raise_floor(self._floor)

    def _advanced(self) -> None:
        if self._clock.us is not None:
            self._rise(self._clock.us)

    def _rise(self, us: int) -> None:
        self.watermark = max(self.watermark, min(us, below(self._rest, self._max_delay)))


def _among_all(delayed: DelayedRows, timed: Mask) -> DelayedRows:
    """``delayed``, which is about the rows that are ``timed``, for all rows."""
    mask, clocks = np.zeros(timed.size, np.bool_), np.zeros(timed.size, np.int64)
    mask[timed], clocks[timed] = delayed
    return DelayedRows(mask, clocks)


def far_future(now: float) -> int:
    """The event time (microseconds) behind which rows that arrive at ``now`` (seconds) are in the far future."""
    return min(int(now * 1e6) + AHEAD_US, LATEST)


def below(bound: int, max_delay: int) -> int:
    """The watermark of rows that have no time below ``bound``; the two ends of time stay as they are."""
    if bound in (MIN_WATERMARK, MAX_WATERMARK):
        return bound
    return max(bound - max_delay, MIN_WATERMARK)


def _named(file: str) -> str:
    return PurePath(file).name


def _long(us: int) -> str:
    """A time in its largest unit: ``333 days``."""
    return next((f"{us // size} {unit}" for unit, size in _UNITS if us >= 2 * size), f"{us / 1_000_000:g} s")


def _short(us: int) -> str:
    """A duration as users write it: ``1h``."""
    units = (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1))
    return next(f"{us // size}{unit}" for unit, size in units if us % size == 0 and (us or unit == "s"))
