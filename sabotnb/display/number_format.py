"""Formats numbers in cards as the widget does: the twin of ``widgets/src/format.ts``."""

from __future__ import annotations

import time

PREFIXES = ("", "k", "M", "G", "T", "P")


def count(value: float) -> str:
    """Format a count: ``336,776``; from ten million on ``12.3M``."""
    return f"{round(value):,}" if abs(value) < 1e7 else "".join(_scaled(value))


def short(value: float) -> str:
    """Format a count with four digits, where ``count`` is too long: ``9,999``, ``270.0k``, ``1.270M``."""
    if abs(value) < 9999.5:
        return f"{round(value):,}"
    step = 0
    while abs(value) >= 999.95 and step < len(PREFIXES) - 1:
        value /= 1000
        step += 1
    whole = len(f"{abs(value):.0f}")
    return f"{value:.{max(0, 4 - whole)}f}{PREFIXES[step]}"


def rate(value: float) -> str:
    """Format rows per second: ``310/s``, ``41.2k/s``, ``0.4/s``."""
    digits = f"{value:.1f}".removesuffix(".0") if 0 < abs(value) < 9.95 else "".join(_scaled(value))
    return f"{digits}/s"


def size(value: float) -> str:
    """Format bytes in powers of 1000: ``512 B``, ``1.2 kB``, ``34.5 MB``."""
    digits, prefix = _scaled(value)
    return f"{digits} {prefix}B"


def seconds(value: float) -> str:
    """Format a duration: ``3 ms``, ``1.4 s``, ``42 s``, ``12 min 31 s``, ``3 h 12 min``, ``2 d 4 h``."""
    whole = round(value)
    if value < 0.9995:
        return f"{round(value * 1000)} ms"
    if value < 9.95:
        return f"{value:.1f} s"
    for base, big, unit, small in ((60, "s", 1, ""), (3600, "min", 60, "s"), (86_400, "h", 3600, "min")):
        if whole < base:
            return _pair(whole, unit, big, small)
    return _pair(whole, 86_400, "d", "h")


def ago(value: float) -> str:
    """Format how long ago something was, in whole seconds: ``0 s ago``, ``8 s ago``, ``1 min 5 s ago``."""
    whole = max(0, round(value))
    return f"{whole} s ago" if whole < 60 else f"{seconds(whole)} ago"


def clock(at: float) -> str:
    """Format a time, in seconds since the epoch, in the local time zone: ``17:49:18``."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def share(value: float) -> str:
    """Format a share of 1: ``96 %``."""
    return f"{round(value * 100)} %"


def _pair(whole: int, unit: int, big: str, small: str) -> str:
    below = {1: 1, 60: 1, 3600: 60, 86_400: 3600}[unit]
    rest = whole % unit // below
    return f"{whole // unit} {big}" + (f" {rest} {small}" if rest else "")


def _scaled(value: float) -> tuple[str, str]:
    step = 0
    while abs(value) >= 999.5 and step < len(PREFIXES) - 1:
        value /= 1000
        step += 1
    return (f"{value:.0f}" if step == 0 or abs(value) >= 99.95 else f"{value:.1f}"), PREFIXES[step]
