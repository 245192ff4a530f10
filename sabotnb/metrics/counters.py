"""Counters of one task: written by its thread alone, read by anybody through a frozen snapshot."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(slots=True)
class TaskCounters:
    """Totals since the task started; times in seconds. Rows that a sink has written went out, too.

    Single writer, so no lock: who reads while the task runs may see counts that are a batch apart.
    """

    rows_in: int = 0
    rows_out: int = 0
    batches_in: int = 0
    batches_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    busy: float = 0.0
    idle: float = 0.0
    backpressured: float = 0.0
    late: int = 0

    def snapshot(self) -> TaskCounters:
        """The totals now, as a copy that nobody writes to."""
        return replace(self)
