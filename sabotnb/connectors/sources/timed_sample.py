"""The rows of a sample, handed out for as long as there is time."""

from __future__ import annotations

import time

from sabotnb.connectors.sources.batch_source import RawBatches
from sabotnb.connectors.sources.memory_tables import TableSlices
from sabotnb.graph import Source as Spec
from sabotnb.protocol import Split

_PARTS = 20
"""Into so many parts the time is cut: a batch that takes longer is not followed by a larger one."""

_GROWTH = 8
"""Times as many rows follow a quick batch; each batch more costs a preview about a millisecond."""


class TimedSample(TableSlices):
    """Connector of a table that ends at ``until`` (of ``time.monotonic``), wherever it is then.

    Batches begin with a row and grow while what becomes of them takes little time, so that the end is not far off when
    it comes. ``ran_out`` is true if it came before the last row.
    """

    def __init__(self, spec: Spec, until: float) -> None:
        super().__init__(spec)
        self._until = until
        self._part = (until - time.monotonic()) / _PARTS
        self.ran_out = False

    def batches(self, split: Split, batch_rows: int) -> RawBatches:
        start, stop, size = split.position["start"], split.position["stop"], 1
        while start < stop:
            begun = time.monotonic()
            if begun >= self._until:
                self.ran_out = True
                return
            end = min(start + size, stop)
            yield from super().batches(Split(split.id, {"start": start, "stop": end}), batch_rows)
            start = end
            if time.monotonic() - begun < self._part:
                size *= _GROWTH
