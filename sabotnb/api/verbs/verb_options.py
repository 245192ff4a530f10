"""Options that many verbs share: durations and event time."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa

from sabotnb.errors import TypeMismatch
from sabotnb.expr import bind, col, duration_us
from sabotnb.graph import EventTime

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
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        made = ".str.to_datetime()" if pa.types.is_string(kind) or pa.types.is_large_string(kind) else ""
        made = made or ".cast('timestamp[s]')"
        raise TypeMismatch(
            f"event time {column!r} is {kind}, not a timestamp; declare it where it is read: "
            f"schema={{{column!r}: pa.timestamp('us')}}, or compute it: .with_event_time(col({column!r}){made})"
        )
    delay, quiet = duration_us(max_delay), duration_us(idle)
    for option, given, us in (("max_delay", max_delay, delay), ("idle", idle, quiet)):
        if us < 0:
            raise TypeMismatch(f"{option}={given!r} is negative; rows come late by '0s' or more")
    return EventTime(column, delay, quiet)
