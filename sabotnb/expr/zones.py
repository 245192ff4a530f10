"""Check names of time zones before Arrow does: Arrow fails late, and blames packages."""

from __future__ import annotations

import re
from functools import lru_cache

from sabotnb.errors import TypeMismatch

_OFFSET = re.compile(r"[+-]\d{2}:?\d{2}")


def demand_zone(zone: str) -> None:
    """Raise TypeMismatch, with the nearest name, if this machine has no such zone."""
    if not _is_known(zone):
        import difflib
        from zoneinfo import available_timezones

        near = difflib.get_close_matches(zone, available_timezones(), n=1, cutoff=0.6)
        advice = f"write {near[0]!r}" if near else "write a name such as 'Europe/Berlin', or an offset, '+02:00'"
        raise TypeMismatch(f"there is no time zone {zone!r}; {advice}")


@lru_cache(maxsize=256)
def _is_known(zone: str) -> bool:
    from zoneinfo import ZoneInfo

    if _OFFSET.fullmatch(zone):
        return True
    try:
        ZoneInfo(zone)
    except (OSError, ValueError, LookupError):  # a folder; a path; no such key
        return False
    return True
