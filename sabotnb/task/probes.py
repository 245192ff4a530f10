"""What is seen of the rows on their way from one operator of a chain to the next."""

from __future__ import annotations

import time
from collections.abc import Callable

import pyarrow as pa

from sabotnb.metrics import TaskCounters
from sabotnb.task.probe import Probe

UNASKED_SECONDS = 5.0
"""A probe that nobody has read for so long is taken out."""


class Probes:
    """Counts the rows that leave each operator of a chain, and has a probe behind those that somebody looks at."""

    def __init__(self, counters: TaskCounters, clock: Callable[[], float] = time.monotonic) -> None:
        self._rows = counters.operators
        self._clock = clock
        self._probes: dict[str, Probe] = {}  # replaced, never changed: the task reads it without a lock

    def note(self, operator: str, batch: pa.RecordBatch) -> None:
        """``batch`` has left ``operator`` through its main output, or was taken by a sink."""
        self._rows[operator] += batch.num_rows
        if self._probes:
            probe = self._probes.get(operator)
            if probe is not None:
                probe.see(batch)

    def probe(self, operator: str) -> Probe:
        """The probe behind ``operator``, put there if there is none; one thread at a time."""
        now = self._clock()
        probe = self._probes.get(operator)
        if probe is None:
            probe = Probe(now)
            self._probes = {**self._probes, operator: probe}
        probe.asked = now
        return probe

    def take_out_unasked(self) -> None:
        """Take out the probes that nobody reads any more; not while ``probe`` is called."""
        if self._probes:
            since = self._clock() - UNASKED_SECONDS
            self._probes = {operator: probe for operator, probe in self._probes.items() if probe.asked > since}

    def close(self) -> None:
        """No row will come: nobody shall wait for one."""
        probes, self._probes = self._probes, {}
        for probe in probes.values():
            probe.end()
