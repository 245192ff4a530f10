"""Durations as users write them: ``"250ms" "5s" "15m" "1h30m" "1d"`` or a timedelta."""

from __future__ import annotations

import re
from datetime import timedelta

from sabotnb.errors import TypeMismatch

MICROSECONDS = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
_PART = re.compile(r"(\d+(?:\.\d+)?)([A-Za-z]+)")
_UNFIXED = {
    unit: f"a {name} has no fixed length; give days"
    for unit, name in (("mo", "month"), ("q", "quarter"), ("y", "year"))
}
_SPELLING = "write '250ms', '5s', '15m', '1h30m', '1d' or a datetime.timedelta"


def duration_us(value: str | timedelta) -> int:
    """Return the microseconds of a duration, which may be negative (``"-5m"``).

    Raises:
        TypeMismatch: a bare number, an unknown or ambiguous unit; the message has the right spelling.
    """
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    if not isinstance(value, str):
        raise TypeMismatch(f"{value!r} has no unit, so it is not a duration; {_SPELLING}")
    text = value.strip()
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    parts = _PART.findall(digits)
    if not parts or "".join(number + unit for number, unit in parts) != digits.replace(" ", ""):
        raise TypeMismatch(f"{value!r} is not a duration; {_SPELLING}")
    return sign * sum(_part_us(number, unit, value) for number, unit in parts)


def _part_us(number: str, unit: str, whole: str) -> int:
    if unit not in MICROSECONDS:
        hints = {"M": "is it 'm' for minutes or '1mo' for a month", **_UNFIXED}
        hint = hints.get(
            unit, f"units are {', '.join(MICROSECONDS)}, and mo, q, y of tumbling windows and .dt.truncate"
        )
        raise TypeMismatch(f"{whole!r} has the unit {unit!r}: {hint}; {_SPELLING}")
    exact = float(number) * MICROSECONDS[unit] if "." in number else int(number) * MICROSECONDS[unit]
    if exact != int(exact):
        raise TypeMismatch(f"{whole!r} is finer than a microsecond; {_SPELLING}")
    return int(exact)


def duration_text(us: int) -> str:
    """Return microseconds as a duration in the largest units that it is a whole number of: ``90s``, ``1h``."""
    unit = next((unit for unit, size in reversed(MICROSECONDS.items()) if unit != "w" and us % size == 0), "us")
    return f"{us // MICROSECONDS[unit]}{unit}"


def calendar_units(text: str) -> tuple[int, str]:
    """Return the number and unit of a duration of whole days, weeks (``w``) or months (``mo``); (0, "") for others."""
    days = {"d": (1, "d"), "w": (1, "w"), "mo": (1, "mo"), "q": (3, "mo"), "y": (12, "mo")}
    parts = _PART.findall(text.strip())
    if len(parts) != 1 or "".join(parts[0]) != text.strip() or parts[0][1] not in days or not parts[0][0].isdigit():
        return 0, ""
    factor, unit = days[parts[0][1]]
    return int(parts[0][0]) * factor, unit
