"""The source of a preview: the rows of a sample, until a deadline."""

from __future__ import annotations

import time

from sabotnb.connectors.sources.memory_tables import TableSlices
from sabotnb.connectors.sources.raw_batches import AlreadyRead, RawBatches
from sabotnb.graph import Source as Spec
from sabotnb.protocol import Split

_PARTS = 20
"""Parts of the available time. After a batch that takes longer than one part, batches do not grow."""

_GROWTH = 8
"""Factor by which batches grow after a quick one; each additional batch costs a preview about a millisecond."""


class TimedSample(TableSlices):
    """Connector of a table that stops reading at ``until`` (of ``time.monotonic``).

    The first batch has one row, and batches grow while downstream operators are quick. A batch is never interrupted, so
    small ones keep the overrun short. ``ran_out`` is true if time ran out before the last row.
    """

    def __init__(self, spec: Spec, until: float) -> None:
        super().__init__(spec)
        self._until = until
        self._part = (until - time.monotonic()) / _PARTS
        self.ran_out = False

    def batches(self, split: Split, batch_rows: int, done: int = 0) -> RawBatches:
        start, stop, size = split.position["start"] + done, split.position["stop"], 1
        if done:
            yield AlreadyRead(done)
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
