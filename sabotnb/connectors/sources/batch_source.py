"""The Source that wraps every connector: narrows raw batches to the spec's schema and counts positions.

Theory of operation
-------------------
A connector only lists splits and yields the raw rows of one; if the source is replayable, the same rows in the same
order each time. What all sources need is here: the predicate, the columns and types that leave (``Shape``), positions
and pacing (``BatchReader``).

*Positions.* ``rows`` counts the raw rows taken from the split, before the predicate. It thus depends neither on what
passes, nor on the sizes of batches, which may differ after a restart. A position is the split's own position with
``rows`` and the schedule of the pace added, so a split that has it opens there. Opening reads from the beginning of the
split and skips ``rows`` rows: connectors need not seek, at the cost of reading rows twice. Positions come with rows
only. Rows that were read behind the last one and did not pass are read again after a restart, and do not pass again.

*Polling.* A task's thread calls ``poll`` between messages, so it does not wait for rows to come. It returns None, and
``due`` says when to ask again, in three cases: the connector has nothing yet, the pace says that the next row is not
due, or many batches in a row had no row that passes. In the last case ``due`` is 0: the task only looks at its mailbox.
``_held`` keeps the rest of a raw batch that exceeds ``max_rows`` or is not due; it is not in the position yet.

*Pacing.* A schedule is defined for the whole sequence of rows, so a paced source has one split, which reads the splits
of its connector one after the other in the order of their event times. It carries them in its position, with what they
know about their files: ``rows`` counts the rows of these splits, not of those that a later listing finds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import chain

import pyarrow as pa

from sabotnb.connectors.sources.pacing import ReadPace, pace_of
from sabotnb.connectors.sources.raw_batches import Connector, RawBatches, SourceEstimate
from sabotnb.connectors.sources.row_shape import Shape
from sabotnb.graph import Source as Spec
from sabotnb.protocol import Finished, Position, Split

Clock = Callable[[], float]

_UNMATCHED_BATCHES = 200
"""Batches in a row without a row that passes the predicate, after which ``poll`` returns to its task's mailbox."""


class BatchReader:
    """Reads one split; its position is the number of raw rows taken, before any filter."""

    def __init__(self, raw: Callable[[int], RawBatches], split: Split, shape: Shape, pace: ReadPace | None) -> None:
        self._make = raw
        self._raw: RawBatches | None = None
        self._split = split
        self._shape = shape
        self._pace = pace
        self._rows = int(split.position.get("rows", 0))
        self._skip = self._rows
        self._held: pa.RecordBatch | None = None
        self._due: float | None = None

    def poll(self, max_rows: int) -> tuple[pa.RecordBatch, Position] | Finished | None:
        for _ in range(_UNMATCHED_BATCHES):
            piece = self._next(max_rows)
            if not isinstance(piece, pa.RecordBatch):
                return piece
            self._rows += piece.num_rows
            batch = self._shape.apply(piece)
            if batch.num_rows:
                return batch, self._position()
        self._due = 0.0
        return None

    def due(self) -> float | None:
        return self._due

    def close(self) -> None:
        self._held = None
        close = getattr(self._raw, "close", None)
        if close is not None:
            close()

    def _position(self) -> Position:
        paced = {} if self._pace is None else self._pace.position()
        return {**self._split.position, **paced, "rows": self._rows}

    def _next(self, max_rows: int) -> pa.RecordBatch | Finished | None:
        """At most ``max_rows`` raw rows that are due; None if none is."""
        if self._held is None:
            fresh = self._pull(max_rows)
            if not isinstance(fresh, pa.RecordBatch):
                return fresh
            self._held = fresh
        ready = min(self._held.num_rows, max_rows)
        if self._pace is not None:
            ready = self._pace.due(self._held.slice(0, ready), self._rows)
            if ready == 0:
                self._due = self._pace.wait(self._held, self._rows)
                return None
        piece = self._held.slice(0, ready)
        self._held = self._held.slice(ready) if ready < self._held.num_rows else None
        return piece

    def _pull(self, max_rows: int) -> pa.RecordBatch | Finished | None:
        """The next raw batch, without the rows before the position at which reading starts."""
        if self._raw is None:
            self._raw = self._make(max_rows)  # in the first poll, which knows the size of batches
        for batch in self._raw:
            if not isinstance(batch, pa.RecordBatch):
                self._due = batch
                return None
            if batch.num_rows <= self._skip:
                self._skip -= batch.num_rows
                continue
            fresh = batch.slice(self._skip)
            self._skip = 0
            return fresh
        return Finished()


class BatchSource:
    """The protocol's Source for a connector. A paced source has a single split, for any number of files."""

    def __init__(self, spec: Spec, connector: Connector, clock: Clock = time.time) -> None:
        self._spec = spec
        self._connector = connector
        self._shape = Shape.of(spec)
        self._clock = clock

    def splits(self) -> list[Split]:
        parts = sorted(self._connector.splits(), key=lambda split: split.lower_bound)
        if pace_of(self._spec, self._clock, {}) is None or not parts:
            return parts
        total = SourceEstimate.of(parts)
        sequence = {"parts": [[part.id, part.position] for part in parts]}
        return [Split("paced", sequence, parts[0].lower_bound, total.nbytes or 0, total.rows)]

    def estimate(self) -> SourceEstimate:
        return self._connector.estimate()

    def open(self, split: Split) -> BatchReader:
        pace = pace_of(self._spec, self._clock, split.position)
        return BatchReader(
            partial(self._connector.batches if pace is None else self._sequence, split),
            split,
            self._shape,
            pace,
        )

    def _sequence(self, split: Split, batch_rows: int) -> RawBatches:
        parts = [Split(*part) for part in split.position["parts"]]
        return chain.from_iterable(self._connector.batches(part, batch_rows) for part in parts)
