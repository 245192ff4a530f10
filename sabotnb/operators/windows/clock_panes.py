"""Panes of a fixed size by the clock of a zone: ``"6h"`` begins at 00:00, 06:00, 12:00 and 18:00 there, all year.

Theory of operation. A pane begins where the clock shows a multiple of the size since 1970-01-01 00:00. Clocks that are
put forward make the pane around the change shorter; clocks that are put back make it longer, or, if a multiple is shown
twice, divide it: a row belongs to the last multiple that the clock has shown before it.

By that rule alone, a row behind a change could go back to a pane before the one that ended at the change: where the
repeated time has a multiple, and the row is before its second showing. Such rows have a pane of their own, which begins
at the change. So panes follow each other without gaps or overlaps, and their starts never go back.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from sabotnb.graph import TumblingWindow
from sabotnb.native import floor_times, instants_at, integers, local_times, near_times, zone_offsets
from sabotnb.operators.windows.panes import OneWindow, Pane, Rows, by_number

SECOND = 1_000_000
TWO_DAYS = 2 * 86_400

NEVER = np.iinfo(np.int64).max


class ClockPanes(OneWindow):
    """Panes of ``size`` microseconds by the clock of a zone."""

    def __init__(self, shape: TumblingWindow) -> None:
        """Take the size, the zone and the offset of ``shape``."""
        self._size, self._zone, self._offset = shape.size, shape.tz, shape.offset

    def divide(self, batch: pa.RecordBatch, times: np.ndarray) -> Iterator[tuple[Pane, Rows]]:
        ends = np.array([times.min(), times.max()]) - self._offset
        first, last = self._starts(ends)
        starts = np.full(len(times), first) if first == last else self._starts(times - self._offset)
        distinct = np.unique(starts)
        pane_ends = dict(zip(distinct.tolist(), self._ends(distinct).tolist(), strict=True))
        for start, rows in by_number(starts):
            yield Pane(start + self._offset, pane_ends[start] + self._offset), rows

    def _starts(self, times: np.ndarray) -> np.ndarray:
        """The start of the pane of each time."""
        shown = self._last_shown(times)
        changes = self._changes(times, 0)
        before = self._last_shown(changes - 1)
        return np.where((before > shown) & (changes <= times), changes, shown)

    def _ends(self, starts: np.ndarray) -> np.ndarray:
        """The starts of the next panes: the nearest of the places where one may begin."""
        by_clock = integers(floor_times(self._local(starts), self._size)) + self._size
        candidates = [starts + self._size, self._instants(by_clock, latest=False), self._changes(starts, 1)]
        begun = [self._starts(found) for found in candidates]
        following: np.ndarray = np.min([np.where(found > starts, found, NEVER) for found in begun], axis=0)
        return following

    def _last_shown(self, times: np.ndarray) -> np.ndarray:
        """When the clock has shown last, up to each time, the multiple that the time is rounded down to."""
        multiples = integers(floor_times(self._local(times), self._size))
        latest = self._instants(multiples, latest=True)
        return np.where(latest <= times, latest, self._instants(multiples, latest=False))

    def _changes(self, times: np.ndarray, following: int) -> np.ndarray:
        """The last change of the clock up to each time, or the first one ``following`` it; the time if none is near."""
        near = near_times(times, SECOND)
        margin = self._size // SECOND + TWO_DAYS
        of = zone_offsets(self._zone, int(near.min()) // SECOND - margin, int(near.max()) // SECOND + margin)
        at = np.searchsorted(of.changes * SECOND, near, side="right") + following - 1
        known = (at >= 0) & (at < len(of.changes))
        found = of.changes[np.clip(at, 0, len(of.changes) - 1)] * SECOND if len(of.changes) else near
        return np.where(known, times + (found - near), times)

    def _local(self, times: np.ndarray) -> pa.Array:
        return local_times(pa.array(times).view(pa.timestamp("us", self._zone)))

    def _instants(self, local: np.ndarray, *, latest: bool) -> np.ndarray:
        found: np.ndarray = integers(instants_at(pa.array(local).view(pa.timestamp("us")), self._zone, latest=latest))
        return found
