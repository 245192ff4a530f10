"""The row counters and the probes between the operators of a chain."""

from __future__ import annotations

import time
from collections.abc import Callable

import pyarrow as pa

from sabotnb.metrics import TaskCounters
from sabotnb.task.kept_samples import KeptSamples
from sabotnb.task.probe import Probe

UNREAD_SECONDS = 5.0
"""A probe that was not read for this time is removed."""


class Probes:
    """Counts the rows that leave each operator of a chain, and records them where a probe was asked for.

    The event time of each operator is kept with the counts.
    """

    def __init__(self, counters: TaskCounters, clock: Callable[[], float] = time.monotonic) -> None:
        self._counters = counters
        self._rows = counters.operators
        self._watermarks = counters.watermarks
        self._clock = clock
        self.samples = KeptSamples()
        """The last late and failing rows."""
        self._probes: dict[str, Probe] = {}  # replaced, never changed: the task's thread reads it without a lock

    def note(self, operator: str, batch: pa.RecordBatch) -> None:
        """Count ``batch``, which has left ``operator`` through its main output, or was taken by a sink."""
        self._rows[operator] += batch.num_rows
        if self._probes:
            probe = self._probes.get(operator)
            if probe is not None:
                probe.record(batch)

    def note_watermark(self, operator: str | None, us: int) -> None:
        """Keep the event time of the input of ``operator``; of the output of the chain if it is None."""
        if operator is None:
            self._counters.output_watermark = us
        else:
            self._watermarks[operator] = us

    def probe(self, operator: str) -> Probe:
        """Return the probe behind ``operator``, created if there is none; one thread at a time."""
        now = self._clock()
        probe = self._probes.get(operator)
        if probe is None:
            probe = Probe(now)
            self._probes = {**self._probes, operator: probe}
        probe.read_at = now
        return probe

    def remove_unread(self) -> None:
        """Remove the probes that are no longer read; not while another thread is in ``probe``."""
        if self._probes:
            since = self._clock() - UNREAD_SECONDS
            self._probes = {operator: probe for operator, probe in self._probes.items() if probe.read_at > since}

    def close(self) -> None:
        """Remove all probes and wake their readers, as no more rows will come."""
        probes, self._probes = self._probes, {}
        for probe in probes.values():
            probe.end()
