"""The counters of one task: its thread writes them, other threads read a snapshot."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from sabotnb.metrics.histogram import Histogram
from sabotnb.pickling import quickly_pickled

COUNTS_IN = ("rows_in", "batches_in", "bytes_in", "bytes_done", "ahead", "open_windows", "waiting_rows")
COUNTS_OUT = ("rows_out", "batches_out", "bytes_out")
"""The counters of what has come into a task and left it, which go on when its run goes on from a checkpoint."""


@quickly_pickled
@dataclass(frozen=True, slots=True)
class WatermarkHolder:
    """What holds the watermark of a task's input back: a channel of its gate, or a split of its source.

    ``us`` is the watermark of that channel or split, None if it has not reported any. ``quiet`` are the seconds for
    which a split that is asked for rows has had none.
    """

    port: int = 0
    channel: int = 0
    split: str = ""
    us: int | None = None
    quiet: float = 0.0


@dataclass(slots=True)
class TaskCounters:
    """Totals since the task started; times in seconds. Rows that a sink has written count as rows out.

    A single thread writes, so there is no lock: while the task runs, counts may be of different batches.
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
    """Rows that came too late for every window; see ``count_late``."""
    bytes_done: int = 0
    """Of a source: bytes of the splits that it has read completely, by ``Split.nbytes``."""
    state_keys: int = 0
    """Keys in the state of the operators when it was last measured; it is always measured at the end of the input."""
    state_bytes: int = 0
    """Approximate memory of that state."""
    watermark: int | None = None
    """Event time of the input in microseconds since the epoch (UTC); None before the first watermark."""
    latency: Histogram = field(default_factory=Histogram)
    """Times that rows took from their source to this task, measured by the markers among them."""
    operators: dict[str, int] = field(default_factory=dict)
    """Rows that left each operator of the chain through its main output, by its id; rows that entered a sink."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Time that each operator of the chain has worked, by its id; only in the counters that a task reports."""
    watermarks: dict[str, int] = field(default_factory=dict)
    """Event time of the input of each operator of the chain, as ``watermark``; only of those that have one."""
    late_rows: dict[str, int] = field(default_factory=dict)
    """Late rows of each operator of the chain that has met any, by its id."""
    output_watermark: int | None = None
    """Event time of the output of the chain, as ``watermark``."""
    holder: WatermarkHolder | None = None
    """What holds the watermark of the input back, when it was last measured; None if there is no event time."""
    awaited: dict[str, int] = field(default_factory=dict)
    """Event time that the next results of each operator wait for, when it was last measured; if any wait."""
    open_windows: int = 0
    """Results of windows that were still open when the input was stopped: they were dropped."""
    waiting_rows: int = 0
    """Rows of joins by time that still waited for a partner when the input was stopped: they were dropped."""
    ahead: int = 0
    """Rows of a source whose times are more than a day ahead of their arrival: they do not advance event time."""
    spilled_bytes: int = 0
    """Bytes of rows that were written to temporary files because memory for them was used up."""
    cut_pause: float = 0.0
    """The longest time for which a cut has kept the task from processing rows, without waiting for credit."""

    def count_late(self, operator: str, rows: int) -> None:
        """Count ``rows`` that came too late for every window of ``operator``."""
        self.late += rows
        self.late_rows[operator] = self.late_rows.get(operator, 0) + rows

    def plus(self, before: TaskCounters) -> TaskCounters:
        """Return a copy with the counts of ``before`` added; times, sizes and event times are those of this one."""
        return replace(
            self,
            **{name: getattr(self, name) + getattr(before, name) for name in (*COUNTS_IN, *COUNTS_OUT)},
            late=self.late + before.late,
            operators=_added(self.operators, before.operators),
            late_rows=_added(self.late_rows, before.late_rows),
        )

    def with_counts(self, counted: TaskCounters) -> TaskCounters:
        """Return a copy with the counts of ``counted`` instead of its own."""
        counts: dict[str, Any] = {name: getattr(counted, name) for name in (*COUNTS_IN, *COUNTS_OUT)}
        return replace(self, late=counted.late, operators=counted.operators, late_rows=counted.late_rows, **counts)

    def snapshot(self) -> TaskCounters:
        """Return a copy of the totals, without ``seconds``."""
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
            watermarks=dict(self.watermarks),
            late_rows=dict(self.late_rows),
            output_watermark=self.output_watermark,
            holder=self.holder,
            awaited=self.awaited,
            open_windows=self.open_windows,
            waiting_rows=self.waiting_rows,
            ahead=self.ahead,
            spilled_bytes=self.spilled_bytes,
            cut_pause=self.cut_pause,
        )


def _added(counts: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {name: counts.get(name, 0) + before.get(name, 0) for name in counts | before}
