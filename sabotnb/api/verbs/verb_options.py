"""Options that many verbs share: durations and event time."""

from __future__ import annotations

from datetime import timedelta
from keyword import iskeyword

import pyarrow as pa

from sabotnb.errors import TypeMismatch
from sabotnb.expr import bind, col, duration_us
from sabotnb.graph import EventTime
from sabotnb.native import plain_type

Duration = str | timedelta


def seconds(given: Duration | float | None) -> float | None:
    """Seconds of a duration or of a bare number, which only timeouts may be; None stays None."""
    if given is None or isinstance(given, int | float):
        return given
    return duration_us(given) / 1_000_000


def event_time(column: str | None, max_delay: Duration, idle: Duration, schema: pa.Schema) -> EventTime | None:
    """The event time that a source's options describe.

    TypeMismatch if ``column`` holds no timestamps or dates, or a duration is negative.
    """
    if column is None:
        return None
    kind = bind(col(column), schema)
    if not is_time(kind):
        raise TypeMismatch(_not_a_time(column, kind))
    delay, quiet = duration_us(max_delay), duration_us(idle)
    for option, given, us in (("max_delay", max_delay, delay), ("idle", idle, quiet)):
        if us < 0:
            raise TypeMismatch(f"{option}={given!r} is negative; rows come late by '0s' or more")
    return EventTime(column, delay, quiet)


def is_time(kind: pa.DataType) -> bool:
    """True if a column of this type can be event time."""
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _not_a_time(column: str, kind: pa.DataType) -> str:
    """Say how a column that is not an event time becomes one."""
    plain = plain_type(kind)
    if is_time(plain):
        new = _assigned(column, f"col({column!r}).cast('{plain}')")
        return f"event time {column!r} is {kind}: write plain times, .with_columns({new}).with_event_time({column!r})"
    kind = plain
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return (
            f"event time {column!r} is {kind}, not a timestamp; declare it where it is read: "
            f"schema={{{column!r}: pa.timestamp('us')}}, or compute it: "
            f".with_event_time(col({column!r}).str.to_datetime())"
        )
    time = f"col({column!r})"
    if pa.types.is_integer(kind):
        whole = "" if pa.types.is_int64(kind) else ".cast('int64')"
        time, units = f"{time}{whole}.cast('timestamp[s]')", "[s] seconds, [ms] milliseconds, [us] or [ns]"
    elif pa.types.is_floating(kind):
        time = f"({time} * 1_000_000).cast('int64').cast('timestamp[us]')"
        units = "* 1_000_000 for seconds, * 1_000 for milliseconds"
    else:
        return f"event time {column!r} is {kind}, not a timestamp; name a column that is a timestamp or a date"
    new = _assigned(column, time)
    return (
        f"event time {column!r} is {kind}, not a timestamp: say what it counts ({units}), as in "
        f".with_columns({new}).with_event_time({column!r})"
    )


def _assigned(column: str, value: str) -> str:
    """The argument of ``with_columns`` that makes ``column``."""
    return f"{column}={value}" if column.isidentifier() and not iskeyword(column) else f"**{{{column!r}: {value}}}"
