"""A run of stored rows: a few batches of one side of a join, as they arrived, with times and flags beside them.

Theory of operation. Rows are never moved. The first probe of a run makes its ``TimeIndex``, which sorts the numbers of
rows by key and time; a run that no probe meets is never sorted. Keys are slots of the key index that all runs of a side
share (``TimedRows``).

Only the flags in ``settled`` change: a row is settled when it has met a partner or was returned without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa

from sabotnb.native import TimeIndex
from sabotnb.protocol import MAX_WATERMARK

FOREVER = MAX_WATERMARK - 1
"""``until`` of rows that are needed as long as the other input has not ended."""

_STEP = 4096
_SAMPLE = 64


class RowRun:
    """Rows with their times, and the last watermark until which each may still be needed (``until``).

    ``since`` is a number per row that the owner defines. ``slots`` are those of the keys, once they are known.
    """

    def __init__(
        self,
        rows: pa.RecordBatch,
        times: np.ndarray,
        until: np.ndarray,
        since: np.ndarray,
        settled: np.ndarray | None = None,
        slots: np.ndarray | None = None,
    ) -> None:
        self.rows = rows
        self.times, self.until, self.since = times, until, since
        self.settled = np.zeros(len(times), np.bool_) if settled is None else settled
        self.slots = slots
        self.groups: np.ndarray | None = None
        """The key groups of the rows, once they are known."""
        self.present: frozenset[int] | None = None
        """Those that have rows, once they are known."""
        self.first, self.last = int(times.min()), int(times.max())
        self.probed = 0
        """What probes of this run have cost, in rows."""
        self._oldest = self._due = 0

    def __len__(self) -> int:
        return len(self.times)

    @classmethod
    def merged(cls, runs: Sequence[RowRun]) -> RowRun:
        """The rows of all runs, in their order."""
        table = pa.Table.from_batches([run.rows for run in runs]).unify_dictionaries().combine_chunks()
        (rows,) = table.to_batches()
        names = ("times", "until", "since", "settled")
        times, until, since, settled = (np.concatenate([getattr(run, name) for run in runs]) for name in names)
        slots = [run.slots for run in runs if run.slots is not None]
        known = np.concatenate(slots) if len(slots) == len(runs) else None
        return cls(rows, times, until, since, settled, known)

    def only(self, chosen: np.ndarray) -> RowRun | None:
        """The rows that the mask chooses; None if there is none."""
        if chosen.all():
            return self
        if not chosen.any():
            return None
        slots = None if self.slots is None else self.slots[chosen]
        times, until, since, settled = (marks[chosen] for marks in (self.times, self.until, self.since, self.settled))
        return RowRun(self.rows.filter(pa.array(chosen)), times, until, since, settled, slots)

    def taken(self, numbers: np.ndarray) -> pa.RecordBatch:
        """The rows of these ascending numbers, of which there is one; a slice if they follow each other."""
        first, last = int(numbers[0]), int(numbers[-1])
        if last - first + 1 == len(numbers):
            return self.rows.slice(first, len(numbers))
        return self.rows.take(pa.array(numbers))

    @property
    def nbytes(self) -> int:
        """Approximate memory in bytes."""
        entries = self.index.entries.nbytes if "index" in self.__dict__ else 0
        return self._row_bytes + entries + (0 if self.slots is None else self.slots.nbytes)

    @cached_property
    def _row_bytes(self) -> int:
        arrays = (self.times, self.until, self.settled)
        return int(self.rows.nbytes) + sum(array.nbytes for array in arrays)

    @cached_property
    def index(self) -> TimeIndex:
        """The rows by slot and time; slots have to be known."""
        assert self.slots is not None
        return TimeIndex(self.slots, self.times)

    def forget_slots(self) -> None:
        """Let go of slots and the index, because keys get other slots."""
        self.slots = None
        self.__dict__.pop("index", None)

    @cached_property
    def half_needed_until(self) -> int:
        """The watermark behind which about half of the rows are not needed: that of a sample, or of all if few."""
        sample = self.until[:: 1 if len(self) < _STEP else _SAMPLE]
        return int(np.partition(sample, len(sample) // 2)[len(sample) // 2])

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


def _first_false(flags: np.ndarray, order: np.ndarray, start: int) -> int:
    """The first place in ``order``, from ``start``, whose flag is false."""
    while start < len(order):
        found = flags[order[start : start + _STEP]]
        if not found.all():
            return start + int(found.argmin())
        start += len(found)
    return start
