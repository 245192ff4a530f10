"""Decides when the rows of a source are due: a number of rows per second, or an amount of event time per second."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from sabotnb.errors import SourceError, TypeMismatch
from sabotnb.expr import duration_us, is_above
from sabotnb.graph import Source as Spec

_SECOND = 1_000_000
_TICKS = 100
"""Per second: all rows of a tick become due together, so that a fast source neither spins nor sends single rows."""
_SPEEDS = "speed={!r} is not event time per time: write '6h/s', '30m/s' or '1d/m'"


def ticked(seconds: float) -> float:
    """``seconds`` rounded down to a tick."""
    return math.floor(seconds * _TICKS + 1e-6) / _TICKS


def until_tick(seconds: float, now: float) -> float:
    """The seconds from ``now`` to the first tick at or after ``seconds``; at least a millisecond, as clocks differ."""
    return max(0.001, math.ceil(seconds * _TICKS - 1e-6) / _TICKS - now)


class ReadPace(Protocol):
    """Decides how many rows are due; its schedule starts with the first call of ``due``."""

    def due(self, rows: pa.RecordBatch, before: int) -> int:
        """How many of ``rows`` (the first being row number ``before`` of the source) are due now."""
        ...

    def wait(self, rows: pa.RecordBatch, before: int) -> float | None:
        """Seconds until the first of ``rows`` is due, if none was; None if unknown."""
        ...

    def position(self) -> Mapping[str, Any]:
        """The JSON-able state with which another reader continues the same schedule."""
        ...


@dataclass(slots=True)
class RowPace:
    """Row i is due at ``start + i / rate`` seconds, or up to a tick later."""

    rate: float
    clock: Callable[[], float]
    start: float | None = None

    def due(self, rows: pa.RecordBatch, before: int) -> int:
        now = self.clock()
        if self.start is None:
            self.start = now - before / self.rate
        through = int(ticked(now - self.start) * self.rate) + 1
        return int(min(rows.num_rows, max(0, through - before)))

    def wait(self, rows: pa.RecordBatch, before: int) -> float | None:
        return None if self.start is None else until_tick(before / self.rate, self.clock() - self.start)

    def position(self) -> Mapping[str, Any]:
        return {"start": self.start}


@dataclass(slots=True)
class EventTimePace:
    """A row is due when event time, which advances ``speed`` microseconds per second, reaches the row's time.

    The first row is due at once. Rows keep their order: a row waits for those before it, so a late row is due together
    with them.
    """

    speed: float
    column: str
    clock: Callable[[], float]
    start: float | None = None
    first: int | None = None

    def due(self, rows: pa.RecordBatch, before: int) -> int:
        now = self.clock()
        times = rows.column(self.column).cast(pa.timestamp("us"), safe=False).cast(pa.int64())  # down to microseconds
        if self.start is None or self.first is None:
            valid = times.drop_null()
            if not len(valid):
                return int(rows.num_rows)
            self.start, self.first = now, valid[0].as_py()
        waiting = times.fill_null(self.first).to_numpy() > self.first + ticked(now - self.start) * self.speed
        return int(np.argmax(waiting)) if waiting.any() else int(rows.num_rows)

    def wait(self, rows: pa.RecordBatch, before: int) -> float | None:
        time = rows.column(self.column)[0].cast(pa.timestamp("us")).cast(pa.int64()).as_py()
        if self.start is None or self.first is None or time is None:
            return None
        return until_tick((time - self.first) / self.speed, self.clock() - self.start)

    def position(self) -> Mapping[str, Any]:
        return {"start": self.start, "first": self.first}


def pace_of(spec: Spec, clock: Callable[[], float], position: Mapping[str, Any]) -> ReadPace | None:
    """The pace in the options of ``spec``, continued from ``position``; None to read as fast as possible."""
    rate, speed = spec.options.get("rate"), spec.options.get("speed")
    if rate:
        return RowPace(rate, clock, position.get("start"))
    if speed:
        if spec.event_time is None:
            raise SourceError(f"speed={speed!r} is in event time: say which column that is, with event_time=")
        return EventTimePace(
            parse_speed(speed), spec.event_time.column, clock, position.get("start"), position.get("first")
        )
    return None


def pace_options(rate: float | None, speed: str | None) -> dict[str, Any]:
    """The checked options of a spec for ``rate=`` and ``speed=``."""
    if rate is not None and speed is not None:
        raise SourceError("rate= and speed= both say how fast to read: give one of them")
    if rate is not None and not is_above(rate, 0):
        raise SourceError(f"rate={rate!r} is not a number of rows per second: give one above 0")
    if speed is not None:
        parse_speed(speed)
    return {key: value for key, value in (("rate", rate), ("speed", speed)) if value is not None}


def parse_speed(speed: str) -> float:
    """Microseconds of event time per second of ``"6h/s"``, ``"1d/m"``."""
    event, _, real = speed.partition("/")
    try:
        ratio = duration_us(event) / duration_us(f"1{real.strip()}") * _SECOND
    except TypeMismatch as error:
        raise SourceError(_SPEEDS.format(speed)) from error
    if ratio <= 0:
        raise SourceError(_SPEEDS.format(speed))
    return ratio
