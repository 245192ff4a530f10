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
from sabotnb.operators.windows.panes import Pane, by_number
from sabotnb.operators.windows.window_starts import Panes, end_after, ends_after, panes_of
from sabotnb.protocol import MAX_WATERMARK, MIN_WATERMARK

Admitted = Iterator[tuple[Place | None, TimedBatch]]


def admit(panes: Panes, rows: TimedBatch, clocks: np.ndarray, lateness: int = 0) -> Admitted:
    """Divide rows by the place that they count for; for those that are late the place is None, and times are delays.

    ``clocks``: one for all rows, or one for each.
    """
    passed = np.where(clocks < MIN_WATERMARK + lateness, MIN_WATERMARK, clocks - lateness)
    for pane, numbers in panes.divide(*rows):
        batch = taken(rows.batch, numbers)
        if len(clocks) == 1:
            yield _placed(panes, pane, end_after(panes, pane, int(passed[0])), TimedBatch(batch, clocks), lateness)
            continue
        for end, among in by_number(ends_after(panes, pane, passed[numbers])):
            part = TimedBatch(taken(batch, among), clocks[numbers][among])
            yield _placed(panes, pane, end, part, lateness)


def _placed(panes: Panes, pane: Pane, end: int, rows: TimedBatch, lateness: int) -> tuple[Place | None, TimedBatch]:
    """Rows for the windows of ``pane`` that end at ``end`` or later; late ones if there are none."""
    if end != MAX_WATERMARK or pane.end == MAX_WATERMARK:
        return Place(pane, end), rows
    overdue = rows.times - (panes.last_end(pane) + lateness)
    return None, TimedBatch(rows.batch, np.broadcast_to(overdue, rows.batch.num_rows))


class Admission:
    """Divides the rows of windows over event time by pane and by the first window that is open to them."""

    def __init__(self, spec: Window, inputs: Sequence[pa.Schema]) -> None:
        assert spec.time is not None
        self._time = spec.time
        self._shift = spec.shift
        self._lateness = spec.lateness
        self._panes = panes_of(spec.shape)
        self._late_schema = side_schema(spec, LATE, inputs)

    def divide(self, batch: pa.RecordBatch, watermark: int) -> Iterator[tuple[Place | None, pa.RecordBatch]]:
        """Yield the rows of each place, or None and late rows with ``late_by``; windows to ``watermark`` have ended."""
        batch, clocks = without_clocks(batch, watermark)
        times = microseconds(batch.column(self._time)) + self._shift
        for place, rows in admit(self._panes, TimedBatch(batch, times), clocks, self._lateness):
            yield place, with_late_by(rows, self._late_schema) if place is None else rows.batch
