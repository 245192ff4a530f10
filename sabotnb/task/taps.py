"""What is seen of the rows on their way from one operator of a chain to the next."""

from __future__ import annotations

import pyarrow as pa

from sabotnb.metrics import TaskCounters


class Taps:
    """Counts the rows that leave each operator of a chain."""

    def __init__(self, counters: TaskCounters) -> None:
        self._rows = counters.operators

    def note(self, operator: str, batch: pa.RecordBatch) -> None:
        """``batch`` has left ``operator`` through its main output, or was taken by a sink."""
        self._rows[operator] += batch.num_rows
