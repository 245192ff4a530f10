"""Markers that travel among the rows and measure how long rows take from their source."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from sabotnb.protocol import Marker

KIND = "latency"

MARKER_SECONDS = 1.0
"""Seconds between two markers of a source task while it reads rows."""

MOST_MET = 1000
"""Markers of which copies are recognized; copies arrive soon after each other."""


class LatencyMarkers:
    """Creates the markers of one source task.

    ``now`` returns seconds since the epoch (UTC): markers are compared with the clocks of other hosts.
    """

    def __init__(self, source: str, now: Callable[[], float] = time.time) -> None:
        self._source = source
        self._now = now
        self._last = float("-inf")
        self._count = 0

    def due(self) -> Marker | None:
        """Return a marker to send behind the rows that were just read; None if the last is recent."""
        now = self._now()
        if abs(now - self._last) < MARKER_SECONDS:  # abs: markers continue after the clock was set back
            return None
        self._last = now
        self._count += 1
        return Marker(KIND, json.dumps({"at": now, "source": self._source, "seq": self._count}))


class FirstArrivals:
    """Tells the first arrival of a marker at a task from its copies, which arrive on other paths.

    A task sends a marker to each of its outputs. If every copy were passed on, a plan in which n streams in a row are
    combined with themselves would send 2 ** n of them.
    """

    def __init__(self) -> None:
        self._met: dict[str, None] = {}

    def note(self, marker: Marker) -> bool:
        """Return True if this marker has not arrived before."""
        if marker.payload in self._met:
            return False
        self._met[marker.payload] = None
        if len(self._met) > MOST_MET:
            del self._met[next(iter(self._met))]
        return True


def age_of(marker: Marker, now: float) -> float:
    """Return the seconds since ``marker`` left its source; 0 if this host's clock is behind the source's clock."""
    departed: float = json.loads(marker.payload)["at"]
    return max(0.0, now - departed)
