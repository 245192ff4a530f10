"""Formats moments of event time for sentences."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = 60_000_000
_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The microseconds that ``datetime`` can hold."""


def moments(awaited: int, watermark: int | None, at: float) -> tuple[str, str]:
    """Format the moment that is awaited, and the watermark: ``11:00`` and ``10:42``, in UTC.

    Both are microseconds; they are as exact as their distance needs. The date is left out if it is that of ``at``
    (seconds), and at the watermark if it is that of the awaited moment.
    """
    digits = _digits(_MINUTE * 2 if watermark is None else awaited - watermark)
    end = _time(awaited, "seconds" if digits == "minutes" and awaited % _MINUTE else digits)
    if _date(awaited) != _date(int(at * 1e6)):
        end = f"{_date(awaited)} {end}"
    if watermark is None:
        return end, ""
    now = _time(watermark, digits)
    return end, now if _date(watermark) == _date(awaited) else f"{_date(watermark)} {now}"


def _digits(distance: int) -> str:
    if distance >= 2 * _MINUTE:
        return "minutes"
    return "seconds" if distance >= 2_000_000 else "milliseconds"


def _time(us: int, digits: str) -> str:
    return _moment(us).time().isoformat(digits)


def _date(us: int) -> str:
    return _moment(us).date().isoformat()


def _moment(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=max(_FIRST_US, min(us, _LAST_US)))
