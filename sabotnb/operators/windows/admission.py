"""Decide which windows the rows of a batch count for, and which rows are late."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from sabotnb.eventtime import microseconds
from sabotnb.graph import LATE, Window, side_schema
from sabotnb.operators.late_rows import TimedBatch, with_late_by, without_clocks
from sabotnb.operators.windows.pane_store import Place
from sabotnb.operators.windows.window_starts import Pane, by_number, ends_after, panes_of, taken
from sabotnb.protocol import MAX_WATERMARK, MIN_WATERMARK


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
        for pane, rows in self._panes.divide(batch, times):
            yield from self._admit(pane, taken(batch, rows), clocks if len(clocks) == 1 else clocks[rows])

    def _admit(
        self, pane: Pane, batch: pa.RecordBatch, clocks: np.ndarray
    ) -> Iterator[tuple[Place | None, pa.RecordBatch]]:
        """Divide the rows of a pane; ``clocks``: one for all, or each."""
        passed = np.where(clocks < MIN_WATERMARK + self._lateness, MIN_WATERMARK, clocks - self._lateness)
        one = len(clocks) == 1
        for end, rows in by_number(ends_after(self._panes, pane, passed)):
            part = batch if one else taken(batch, rows)
            if end != MAX_WATERMARK or pane.end == MAX_WATERMARK:
                yield Place(pane, end), part
            else:
                yield None, self._late(pane, part, clocks if one else clocks[rows])

    def _late(self, pane: Pane, batch: pa.RecordBatch, clocks: np.ndarray) -> pa.RecordBatch:
        late_by = clocks - (self._panes.last_end(pane) + self._lateness)
        return with_late_by(TimedBatch(batch, late_by), self._late_schema)
