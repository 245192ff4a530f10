"""Markers that travel among the rows and measure how long rows take from their source."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from sabotnb.protocol import Marker

KIND = "latency"

MARKER_SECONDS = 1.0
"""Seconds between two markers of a source task while it reads rows."""


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


def age_of(marker: Marker, now: float) -> float:
    """Return the seconds since ``marker`` left its source; 0 if this host's clock is behind the source's clock."""
    departed: float = json.loads(marker.payload)["at"]
    return max(0.0, now - departed)
