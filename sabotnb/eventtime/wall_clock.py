"""Processing time: the time of this host."""

from __future__ import annotations

import time


def wall_clock() -> int:
    """Return the microseconds since the epoch (UTC) by the clock of this host."""
    return time.time_ns() // 1000
