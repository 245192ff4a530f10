"""An immutable run of stored rows, sorted by key and time, that is searched by ranges of time.

Theory of operation. Every run has a key index of its own, so a run is dropped as a whole, and nothing has to be erased
from an index. Rows are sorted by the slot of their key, and by time within the key. Slot and time are combined into one
number per row (``_codes``), so one binary search per bound finds the rows of a key in a range of time. If the numbers
would not fit 64 bits, times are replaced by their rank.

Only the flags in ``settled`` change: a row is settled when it has met a partner or was returned without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa

from sabotnb.native import KeyIndex, rows_by_key
from sabotnb.protocol import MAX_WATERMARK
from sabotnb.state import MISSING, compared

FOREVER = MAX_WATERMARK - 1
"""``until`` of rows that are needed as long as the other input has not ended."""

_STEP = 4096
_CODES = 2**62


class SortedRun:
    """Rows with their times, and the last watermark until which each may still be needed (``until``).

    ``since`` is a number per row that the owner defines. ``columns`` are the key columns of ``rows`` in the types of
    ``keys``; none may be null.
    """

    def __init__(
        self,
        rows: pa.RecordBatch,
        keys: pa.Schema,
        times: np.ndarray,
        until: np.ndarray,
        since: np.ndarray,
        index: KeyIndex | None = None,
    ) -> None:
        """``index`` may have keys already: that of an older run, which is not searched any more."""
        columns = [compared(rows.column(field.name), field.type) for field in keys]
        self.index = KeyIndex(keys.types, 1) if index is None else index
        slots = self.index.upsert(columns).slots
        order = _order(slots, times)
        self.order = order
        """The numbers that the rows had when they were given."""
        self.rows = rows.take(pa.array(order))
        self.times, self.until, self.since = times[order], until[order], since[order]
        self.slots = slots[order]
        self.settled = np.zeros(len(order), np.bool_)
        self.first, self.last = int(self.times.min()), int(self.times.max())
        self._codes, self._distinct = self._coded()
        self._oldest = self._due = 0

    def taken(self, numbers: np.ndarray) -> pa.RecordBatch:
        """The rows of these ascending numbers, of which there is one; a slice if they follow each other."""
        first, last = int(numbers[0]), int(numbers[-1])
        if last - first + 1 == len(numbers):
            return self.rows.slice(first, len(numbers))
        return self.rows.take(pa.array(numbers))

    def __len__(self) -> int:
        return len(self.times)

    @cached_property
    def nbytes(self) -> int:
        """Approximate memory in bytes."""
        arrays = (self.times, self.until, self.since, self.slots, self.settled, self._codes)
        return int(self.rows.nbytes) + sum(array.nbytes for array in arrays) + int(self.index.nbytes())

    @cached_property
    def needed_until(self) -> int:
        """The watermark behind which no row is needed."""
        return int(self.until.max())

    @cached_property
    def half_needed_until(self) -> int:
        """The watermark behind which half of the rows are not needed."""
        return int(np.partition(self.until, len(self.until) // 2)[len(self.until) // 2])

    def ranges(self, keys: Sequence[pa.Array], low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each key, the first and the last + 1 of the rows that have it and a time from ``low`` to ``high``.

        ``keys`` have no nulls. The two numbers are equal where no row is found.
        """
        slots = self.index.find(keys).slots
        known = slots != MISSING
        width = self._width
        at = slots.astype(np.int64) * width
        if self._distinct is None:
            starts = at + (np.clip(low, self.first, self.last + 1) - self.first)
            stops = at + (np.clip(high, self.first - 1, self.last) - self.first)
        else:
            starts = at + np.searchsorted(self._distinct, low, side="left")
            stops = at + np.searchsorted(self._distinct, high, side="right") - 1
        first = np.searchsorted(self._codes, starts, side="left")
        last = np.searchsorted(self._codes, stops, side="right")
        return np.where(known, first, 0), np.where(known, np.maximum(first, last), 0)

    def oldest(self) -> int:
        """The smallest time of a row that is not settled; MAX_WATERMARK if all are."""
        self._oldest = _first_false(self.settled, self._by_time, self._oldest)
        return int(self.times[self._by_time[self._oldest]]) if self._oldest < len(self) else MAX_WATERMARK

    def settle_due(self, watermark: int) -> np.ndarray:
        """Settle the rows that are needed only until before ``watermark``; return those that were not settled."""
        stop = int(np.searchsorted(self._sorted_until, watermark, side="left"))
        passed = self._by_until[self._due : stop]
        self._due = max(self._due, stop)
        due: np.ndarray = passed[~self.settled[passed]]
        self.settled[due] = True
        return due

    @cached_property
    def _by_time(self) -> np.ndarray:
        return np.argsort(self.times, kind="stable")

    @cached_property
    def _by_until(self) -> np.ndarray:
        return np.argsort(self.until, kind="stable")

    @cached_property
    def _sorted_until(self) -> np.ndarray:
        found: np.ndarray = self.until[self._by_until]
        return found

    @property
    def _width(self) -> int:
        return (self.last - self.first if self._distinct is None else len(self._distinct)) + 2

    def same_place(self) -> np.ndarray:
        """True for each row that has the key and the time of the row before."""
        same = np.zeros(len(self), np.bool_)
        same[1:] = self._codes[1:] == self._codes[:-1]
        return same

    def _coded(self) -> tuple[np.ndarray, np.ndarray | None]:
        slots = self.slots.astype(np.int64)
        if (self.index.size() + 1) * (self.last - self.first + 2) < _CODES:
            codes: np.ndarray = slots * (self.last - self.first + 2) + (self.times - self.first)
            return codes, None
        distinct, ranks = np.unique(self.times, return_inverse=True)
        return slots * (len(distinct) + 2) + ranks, distinct


def _order(slots: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Row numbers sorted by slot and time; fast if the rows are sorted by time, or are two runs that are sorted so."""
    zeros = np.zeros(len(slots), np.uint16)
    if (times[1:] >= times[:-1]).all():
        return rows_by_key(zeros, slots)
    span = int(times.max()) - int(times.min()) + 1
    if (int(slots.max()) + 1) * span < _CODES:
        # A sort of what consists of a few sorted parts takes one pass.
        codes = slots.astype(np.int64) * span + (times - times.min())
        return np.argsort(codes, kind="stable")
    by_time = np.argsort(times, kind="stable")
    found: np.ndarray = by_time[rows_by_key(zeros, slots[by_time])]
    return found


def _first_false(flags: np.ndarray, order: np.ndarray, start: int) -> int:
    """The first place in ``order``, from ``start``, whose flag is false."""
    while start < len(order):
        found = flags[order[start : start + _STEP]]
        if not found.all():
            return start + int(found.argmin())
        start += len(found)
    return start
