"""Computes rates and shares from the totals in the last reports of one task."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from sabotnb.metrics.counters import TaskCounters
from sabotnb.metrics.histogram import Histogram
from sabotnb.metrics.job_metrics import Load, OperatorMetrics, Throughput

KEPT = 5
"""Reports over which rates are computed; two reports are half a second apart."""
OLDER_KEPT, OLDER_SECONDS = 7, 5.0
"""Number and distance of older reports: latencies, whose markers are rare, and skew are computed over half a minute."""

Sent = Mapping[int, tuple[int, int]]
"""(rows, bytes) by edge."""


@dataclass(frozen=True, slots=True)
class Report:
    """The counters of a task at ``at``, in seconds of its agent's monotonic clock."""

    at: float
    counters: TaskCounters
    sent: Sent = field(default_factory=dict)

    def plus(self, before: Report) -> Report:
        """Return the report with the counts of ``before`` added."""
        if before is NOTHING:
            return self
        sent = dict(before.sent)
        for edge, (rows, nbytes) in self.sent.items():
            rows_before, bytes_before = before.sent.get(edge, (0, 0))
            sent[edge] = rows_before + rows, bytes_before + nbytes
        return Report(self.at, self.counters.plus(before.counters), sent)


NOTHING = Report(0.0, TaskCounters())
"""A task that has counted nothing."""


class Reports:
    """The last reports of one task, which had counted ``before`` when its attempt began.

    Rates are computed over the agent's clock, so that they do not depend on when a report is received. After ``end``
    rates are 0, and shares, latency and recent rows are those of the whole run of the task.
    """

    __slots__ = ("_before", "_kept", "_latency", "_older")

    def __init__(self, before: Report = NOTHING) -> None:
        self._before = before
        self._kept: deque[Report] = deque(maxlen=KEPT)
        self._older: deque[Report] = deque(maxlen=OLDER_KEPT)
        self._latency: Histogram | None = None

    def add(self, report: Report) -> None:
        """Add the newest report."""
        self._latency = None
        self._kept.append(report)
        if not self._older or report.at - self._older[-1].at >= OLDER_SECONDS:
            self._older.append(report)

    def end(self, counters: TaskCounters, sent: Sent) -> None:
        """Set the final totals of a task that has ended."""
        self._latency = None
        self._kept.clear()
        self._older.clear()
        self._kept.append(Report(0.0, counters, sent))

    @property
    def seconds(self) -> float:
        """Time between the first and the last kept report; 0 with less than two, and after the end."""
        return self._kept[-1].at - self._kept[0].at if len(self._kept) > 1 else 0.0

    @property
    def ends(self) -> tuple[Report, Report]:
        """The oldest and the newest kept report; with less than two, the oldest is that at the beginning."""
        if len(self._kept) > 1:
            return self._kept[0], self._kept[-1]
        return self._before, self._kept[-1] if self._kept else self._before

    def into(self) -> Throughput:
        """Return the input of the task."""
        (old, new), seconds = self._counters(), self.seconds
        totals = new.rows_in, new.batches_in, new.bytes_in
        if seconds <= 0:
            return Throughput(*totals)
        return Throughput(
            *totals,
            (new.rows_in - old.rows_in) / seconds,
            (new.batches_in - old.batches_in) / seconds,
            (new.bytes_in - old.bytes_in) / seconds,
        )

    def out(self) -> Throughput:
        """Return the output of the task."""
        (old, new), seconds = self._counters(), self.seconds
        totals = new.rows_out, new.batches_out, new.bytes_out
        if seconds <= 0:
            return Throughput(*totals)
        return Throughput(
            *totals,
            (new.rows_out - old.rows_out) / seconds,
            (new.batches_out - old.batches_out) / seconds,
            (new.bytes_out - old.bytes_out) / seconds,
        )

    def sent(self, edge: int) -> Throughput:
        """Return the rows and bytes sent on an edge; batches are not counted by edge."""
        (old, new), seconds = self.ends, self.seconds
        rows, nbytes = new.sent.get(edge, (0, 0))
        if seconds <= 0:
            return Throughput(rows, 0, nbytes)
        rows_then, bytes_then = old.sent.get(edge, (0, 0))
        return Throughput(rows, 0, nbytes, (rows - rows_then) / seconds, 0.0, (nbytes - bytes_then) / seconds)

    def operator(self, name: str) -> OperatorMetrics:
        """Return the rows that left an operator of the chain, and the share of the task's time that it took."""
        (old, new), seconds = self._counters(), self.seconds
        rows = new.operators.get(name, 0)
        spent = _spent(new) - _spent(old)
        return OperatorMetrics(
            name,
            rows,
            (rows - old.operators.get(name, 0)) / seconds if seconds > 0 else 0.0,
            (new.seconds.get(name, 0.0) - old.seconds.get(name, 0.0)) / spent if spent > 0 else 0.0,
        )

    def load(self) -> Load:
        """Return the shares of the task's time, which add up to 1 or are all 0."""
        old, new = self._counters()
        busy, idle, waiting = new.busy - old.busy, new.idle - old.idle, new.backpressured - old.backpressured
        spent = _spent(new) - _spent(old)
        return Load(busy / spent, idle / spent, waiting / spent) if spent > 0 else Load()

    def latency(self) -> Histogram:
        """Return the latencies of the last half minute; those of the whole run if there are none."""
        if self._latency is None:
            newest = self._newest.latency
            recent = newest.since(self._older[0].counters.latency) if self._older else newest
            self._latency = recent if recent.counts else newest
        return self._latency

    def recent_rows(self) -> tuple[int, int]:
        """Return the rows in and out of the last half minute; after the end, of the whole attempt."""
        old, new = (self._older[0] if self._older else self._before).counters, self._newest
        return new.rows_in - old.rows_in, new.rows_out - old.rows_out

    @property
    def _newest(self) -> TaskCounters:
        return (self._kept[-1] if self._kept else self._before).counters

    def _counters(self) -> tuple[TaskCounters, TaskCounters]:
        old, new = self.ends
        return old.counters, new.counters


def _spent(counters: TaskCounters) -> float:
    return counters.busy + counters.idle + counters.backpressured
