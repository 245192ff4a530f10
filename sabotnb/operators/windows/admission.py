"""Decide which windows the rows of a batch count for, and which rows are late."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from sabotnb.eventtime import microseconds
from sabotnb.graph import LATE, Window, side_schema
from sabotnb.operators.encoding import taken
from sabotnb.operators.late_rows import TimedBatch, with_late_by, without_clocks
from sabotnb.operators.windows.pane_store import Place
from sabotnb.operators.windows.panes import Pane, Rows, by_number
from sabotnb.operators.windows.window_starts import Panes, end_after, ends_after, panes_of
from sabotnb.protocol import MAX_WATERMARK, MIN_WATERMARK

Admitted = Iterator[tuple[Place | None, TimedBatch]]


def admit(
    panes: Panes, rows: TimedBatch, clocks: np.ndarray, lateness: int = 0, read: Sequence[str] | None = None
) -> Admitted:
    """Divide rows by the place that they count for; for those that are late the place is None, and times are delays.

    ``clocks``: one for all rows, or one for each. Only the columns ``read`` (None: all) of rows that are not late are
    kept, as copying the others may cost more than aggregating.
    """
    passed = np.where(clocks < MIN_WATERMARK + lateness, MIN_WATERMARK, clocks - lateness)
    kept = rows.batch if read is None else rows.batch.select(read)
    for pane, numbers in panes.divide(*rows):
        for end, among in _ends(panes, pane, passed if len(clocks) == 1 else passed[numbers]):
            of_rows = clocks if len(clocks) == 1 else clocks[numbers][among]
            if end != MAX_WATERMARK or pane.end == MAX_WATERMARK:
                yield Place(pane, end), TimedBatch(taken(taken(kept, numbers), among), of_rows)
                continue
            late, overdue = taken(taken(rows.batch, numbers), among), of_rows - (panes.last_end(pane) + lateness)
            yield None, TimedBatch(late, np.broadcast_to(overdue, late.num_rows))


def _ends(panes: Panes, pane: Pane, passed: np.ndarray) -> Iterator[tuple[int, Rows]]:
    """The ends of the first windows of ``pane`` that are open to its rows, and which rows these are."""
    if len(passed) == 1:
        yield end_after(panes, pane, int(passed[0])), slice(None)
    else:
        yield from by_number(ends_after(panes, pane, passed))


class Admission:
    """Divides the rows of windows over event time by pane and by the first window that is open to them."""

    def __init__(self, spec: Window, inputs: Sequence[pa.Schema], read: Sequence[str] | None = None) -> None:
        """``read`` are the columns that are needed of rows that are not late; None: all."""
        assert spec.time is not None
        self._time = spec.time
        self._shift = spec.shift
        self._lateness = spec.lateness
        self._panes = panes_of(spec.shape)
        self._read = read
        self._late_schema = side_schema(spec, LATE, inputs)

    def divide(self, batch: pa.RecordBatch, watermark: int) -> Iterator[tuple[Place | None, pa.RecordBatch]]:
        """Yield the rows of each place, or None and late rows with ``late_by``; windows to ``watermark`` have ended."""
        batch, clocks = without_clocks(batch, watermark)
        times = microseconds(batch.column(self._time))
        timed = TimedBatch(batch, times + self._shift if self._shift else times)
        for place, rows in admit(self._panes, timed, clocks, self._lateness, self._read):
            yield place, with_late_by(rows, self._late_schema) if place is None else rows.batch
