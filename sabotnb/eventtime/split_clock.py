"""The clock of a split: how far its event time has come, and which of its rows are delayed.

The clock before a row is the largest event time of the rows before it in the split, less ``max_delay``. A row whose
time is below the clock is delayed. The clock is a function of the rows and their order, so it depends neither on the
sizes of batches nor on what other splits hold.

Two things besides rows move it. A *floor* is the least clock of a split that was found, or became active again, when
the watermark of its task had already advanced. A row in the *far future*, beyond a limit that the caller passes, does
not move it, because one wrong date would make all later rows delayed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sabotnb.eventtime.microseconds import EARLIEST, LATEST, Times


class DelayedRows(NamedTuple):
    """Which rows are delayed, and the clock before each row."""

    mask: npt.NDArray[np.bool_]
    clocks: Times


class SplitClock:
    """The clock of one split; all times are microseconds. ``state`` is that of an earlier clock of the split."""

    def __init__(self, max_delay: int, state: Mapping[str, Any] | None = None) -> None:
        self._max_delay = min(max_delay, LATEST)
        state = state or {}
        self._maximum: int = state.get("maximum", EARLIEST)
        self._floor: int = state.get("floor", EARLIEST)
        self.rows: int = state.get("rows", 0)
        """Rows that the clock has seen."""
        self.ahead: int = state.get("ahead", 0)
        """Rows in the far future."""
        self.delayed: int = state.get("delayed", 0)
        """Rows that were delayed because of rows before them, and not because of a floor."""
        self.most_delayed: int = state.get("most", 0)
        """The longest time that a row was behind a row before it."""

    @property
    def us(self) -> int | None:
        """The clock; None before the first row, if there is no floor."""
        maximum = self._running()
        return None if maximum == EARLIEST else maximum - self._max_delay

    def state(self) -> dict[str, Any]:
        """The JSON-able state."""
        return {
            "maximum": self._maximum,
            "floor": self._floor,
            "rows": self.rows,
            "ahead": self.ahead,
            "delayed": self.delayed,
            "most": self.most_delayed,
        }

    def raise_floor(self, us: int) -> None:
        """Let the clock be ``us`` at least."""
        self._floor = max(self._floor, min(us + self._max_delay, LATEST))

    def pass_over(self, maximum: int) -> None:
        """Advance as rows with this maximum would, which are not read because none of them leaves the source."""
        self._maximum = max(self._maximum, maximum)

    def advance(self, times: Times, limit: int = LATEST) -> DelayedRows | None:
        """Move over the next rows; returns which are delayed, None if none is. ``limit`` begins the far future."""
        if not times.size:
            return None
        self.rows += times.size
        before, low, high = self._running(), int(times.min()), int(times.max())
        moving = times
        if high > limit:
            is_ahead = times > limit
            self.ahead += int(is_ahead.sum())
            moving = np.where(is_ahead, EARLIEST, times)
            high = int(moving.max())
        own, self._maximum = self._maximum, max(self._maximum, high)
        if low >= max(before, high) - self._max_delay:
            return None  # no row is below the last clock of these rows, which is the highest one
        if low >= before - self._max_delay and bool((moving[1:] >= moving[:-1]).all()):
            return None
        running = np.maximum.accumulate(np.concatenate((np.array([before], np.int64), moving[:-1])))
        clocks = running - self._max_delay
        mask = times < clocks
        if not mask.any():
            return None
        if own == before:
            self._note(clocks[mask] - times[mask])
        return DelayedRows(mask, clocks)

    def _running(self) -> int:
        return max(self._maximum, self._floor)

    def _note(self, behind: Times) -> None:
        """Count delayed rows, which are ``behind`` their clocks."""
        self.delayed += behind.size
        self.most_delayed = max(self.most_delayed, min(int(behind.max()) + self._max_delay, LATEST))
