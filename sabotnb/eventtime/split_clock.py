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

_BLOCK = 64
"""Rows that are compared with one clock first; longer blocks leave more of them in doubt."""

_MANY_DOUBTFUL = 4
"""One block of so many in doubt costs as much as a clock for each row."""


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
        if not _may_be_delayed(times, moving, before, self._max_delay):
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


def _may_be_delayed(times: Times, moving: Times, before: int, max_delay: int) -> bool:
    """False if no row is delayed; ``moving`` are the times that move the clock, which is at ``before``, less the delay.

    Most rows in disorder are within the delay. The smallest time of a block is compared with the clock behind the
    block, so only few blocks need the clock before each row.
    """
    starts = np.arange(0, times.size, _BLOCK)
    behind = np.maximum.accumulate(np.maximum(np.maximum.reduceat(moving, starts), before))
    doubtful = np.flatnonzero(np.minimum.reduceat(times, starts) < behind - max_delay)
    if len(doubtful) * _MANY_DOUBTFUL > len(starts):
        return True
    rows = np.minimum(starts[doubtful, np.newaxis] + np.arange(_BLOCK), times.size - 1)  # the last row fills a block
    running = np.empty(rows.shape, np.int64)
    running[:, 0] = np.append(before, behind)[doubtful]
    running[:, 1:] = moving[rows[:, :-1]]
    np.maximum.accumulate(running, axis=1, out=running)
    return bool((times[rows] < running - max_delay).any())
