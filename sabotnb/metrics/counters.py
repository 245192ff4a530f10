"""Counters of one task: written by its thread alone, read by anybody through a frozen snapshot."""

from __future__ import annotations

from dataclasses import dataclass, field

from sabotnb.metrics.histogram import Histogram


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
    bytes_done: int = 0
    """Of a source: bytes of the splits that it has read to their end, as their ``Split.bytes`` say."""
    state_keys: int = 0
    """Keys that the task's operators held when they were last asked, at the end of the input for certain."""
    state_bytes: int = 0
    """About how much memory all state of the operators took then."""
    watermark: int | None = None
    """Event time that the input has come to, in microseconds since the epoch; None before the first watermark."""
    latency: Histogram = field(default_factory=Histogram)
    """How long rows took from their source to this task, by the markers that travel among them."""
    operators: dict[str, int] = field(default_factory=dict)
    """Rows that left each operator of the chain through its main output, by its id; of a sink: that it took."""
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each operator of the chain itself has worked, by its id; only in what a task reports."""

    def snapshot(self) -> TaskCounters:
        """The totals now, as a copy that nobody writes to."""
        return TaskCounters(
            self.rows_in,
            self.rows_out,
            self.batches_in,
            self.batches_out,
            self.bytes_in,
            self.bytes_out,
            self.busy,
            self.idle,
            self.backpressured,
            self.late,
            self.bytes_done,
            self.state_keys,
            self.state_bytes,
            self.watermark,
            self.latency.copy(),
            dict(self.operators),
        )
