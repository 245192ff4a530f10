"""Times of process functions: what users write for a timer, as microseconds, and microseconds as they see them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from sabotnb.errors import InvalidUse
from sabotnb.expr import duration_us

_EPOCH = datetime(1970, 1, 1)
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)


class TimeZoneOfRows:
    """Converts microseconds to datetimes as the rows have them: without a zone, or in that of the column."""

    def __init__(self, data_type: pa.DataType | None) -> None:
        """Use the zone of ``data_type``, the type of the event time column; None has no zone."""
        self._zone = getattr(data_type, "tz", None)
        self.type = pa.timestamp("us", self._zone)

    def time(self, us: int) -> datetime:
        """The datetime of ``us`` microseconds since the epoch; the nearest that Python has."""
        try:
            if self._zone is None:
                return _EPOCH + timedelta(microseconds=us)
            return (_EPOCH_UTC + timedelta(microseconds=us)).astimezone(_zone(self._zone))
        except OverflowError:
            return datetime.max if us > 0 else datetime.min


def _zone(name: str) -> Any:
    if name[0] in "+-":
        hours, minutes = int(name[1:3]), int(name[4:6])
        offset = timedelta(hours=hours, minutes=minutes)
        return timezone(offset if name[0] == "+" else -offset)
    return ZoneInfo(name)


def instant(at: Any, base: int) -> int:
    """Microseconds of a datetime (without a zone: UTC), or of a duration after ``base``.

    Raises:
        InvalidUse: for anything else.
    """
    if isinstance(at, datetime):
        elapsed = at - _EPOCH if at.tzinfo is None else at - _EPOCH_UTC
        return elapsed // timedelta(microseconds=1)
    if isinstance(at, timedelta | str):
        return base + duration_us(at)
    raise InvalidUse(
        f"timer({at!r}) is neither a time nor a duration; write ctx.timer(ctx.event_time + timedelta(minutes=5)), or "
        "ctx.timer('5m')"
    )
