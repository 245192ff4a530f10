"""How long rows take from their source: markers that travel among them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from sabotnb.protocol import Marker

KIND = "latency"

MARKER_SECONDS = 1.0
"""How often a source task sends a marker while rows flow."""


class Departures:
    """The markers of one source task. ``now`` gives seconds since the epoch (UTC), which hosts have in common."""

    def __init__(self, source: str, now: Callable[[], float] = time.time) -> None:
        self._source = source
        self._now = now
        self._last = float("-inf")
        self._count = 0

    def due(self) -> Marker | None:
        """A marker for the rows that have just been read, if it is time for one."""
        now = self._now()
        if abs(now - self._last) < MARKER_SECONDS:  # abs: a clock that was set back does not silence it
            return None
        self._last = now
        self._count += 1
        return Marker(KIND, json.dumps({"at": now, "source": self._source, "seq": self._count}))


def age_of(marker: Marker, now: float) -> float:
    """Seconds since ``marker`` left its source; 0 where this host's clock is behind that one's."""
    departed: float = json.loads(marker.payload)["at"]
    return max(0.0, now - departed)
