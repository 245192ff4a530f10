"""The Source that wraps every connector: narrows raw batches to the spec's schema and counts positions.

Theory of operation
-------------------
A connector only lists splits and yields the raw rows of one; if the source is replayable, the same rows in the same
order each time. What all sources need is here: the predicate, the columns and types that leave (``Shape``), positions
and pacing (``BatchReader``).

*Positions.* ``rows`` counts the raw rows taken from the split, before the predicate. It thus depends neither on what
passes, nor on the sizes of batches, which may differ after a restart. A position is the split's own position with
``rows`` and the schedule of the pace added, so a split that has it opens there. A connector that can begin at any row,
or pass over row groups without decoding them, does so (``AlreadyRead``); other rows are read again and dropped. One
that cannot count rows without reading them has points at which it can begin (``ResumePoint``): a position has the last
one, ``at``, and the number of rows ``before`` it. Positions come with rows only. Rows that were read behind the last
one and did not pass are read again after a restart, and do not pass again.

*Polling.* A task's thread calls ``poll`` between messages, so it does not wait for rows to come. It returns None, and
``due`` says when to ask again, in three cases: the connector has nothing yet, the pace says that the next row is not
due, or many batches in a row had no row that passes, or only rows that were read before. In the last case ``due`` is 0:
the task only looks at its mailbox. ``_held`` keeps the rest of a raw batch that exceeds ``max_rows`` or is not due; it
is not in the position yet.

*Event time.* The clock of a split runs over its raw rows, before the predicate: which rows are delayed must not depend
on what the optimizer moved into the source. Delayed rows leave in a batch of their own with the column ``CLOCK``. The
state of the clock is in the position; when a split is opened there, it is restored behind the rows that are skipped.
If the times are computed behind the source, ``AssignTimes`` moves the clock (``advance_clock``) after each poll. The
position then has the state before the rows of the poll.

*Pacing.* A schedule is defined for the whole sequence of rows, so a paced source has one split, which reads the splits
of its connector one after the other in the order of their event times. It carries them in its position, with what they
know about their files: ``rows`` counts the rows of these splits, not of those that a later listing finds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import pyarrow as pa

from sabotnb.connectors.sources.event_times import SourceTimes, SplitTimes
from sabotnb.connectors.sources.pacing import ReadPace, pace_of
from sabotnb.connectors.sources.raw_batches import (
    AlreadyRead,
    Connector,
    NextFile,
    RawBatches,
    ResumePoint,
    SkippedRows,
    SourceEstimate,
    in_sequence,
    rows_of,
)
from sabotnb.connectors.sources.row_shape import Shape
from sabotnb.errors import SabotnbError
from sabotnb.eventtime import DelayedRows, Times
from sabotnb.graph import Source as Spec
from sabotnb.native import plain_batch
from sabotnb.protocol import CLOCK, MIN_WATERMARK, Finished, Polled, Position, Reader, Split

Clock = Callable[[], float]

_UNMATCHED_BATCHES = 200
"""Batches in a row without a row that passes the predicate, after which ``poll`` returns to its task's mailbox."""


class BatchReader(Reader):
    """Reads one split; its position is the number of raw rows taken, before any filter."""

    def __init__(
        self,
        raw: Callable[[int, int], RawBatches],
        split: Split,
        shape: Shape,
        pace: ReadPace | None,
        times: SplitTimes | None,
    ) -> None:
        self._make = raw
        self._raw: RawBatches | None = None
        self._split = split
        self._shape = shape
        self._pace = pace
        self._times = times
        self._rows = int(split.position.get("rows", 0))
        self._point = {name: split.position[name] for name in ("at", "before") if name in split.position}
        self._skip = self._rows - int(self._point.get("before", 0))
        self._held: pa.RecordBatch | None = None
        self._due: float | None = None

    def poll(self, max_rows: int) -> Polled | Finished | None:
        for _ in range(_UNMATCHED_BATCHES):
            raw = self._next(max_rows)
            if not isinstance(raw, pa.RecordBatch):
                return raw
            self._rows += raw.num_rows
            rows, delayed = self._told_apart(raw)
            if rows.num_rows or (delayed is not None and delayed.num_rows):
                return Polled(rows, self._position(), delayed, self._times.take_ahead() if self._times else 0)
        self._due = 0.0
        return None

    def watermark(self) -> int:
        return MIN_WATERMARK if self._times is None else self._times.watermark

    def raise_floor(self, us: int) -> None:
        if self._times is not None:
            self._times.raise_floor(us)

    def advance_clock(self, times: Times) -> DelayedRows | None:
        return None if self._times is None else self._times.advance_to(times)

    def processed(self, position: Position) -> Position:
        return position if self._times is None else {**position, **self._times.position()}

    def due(self) -> float | None:
        return self._due

    def close(self) -> None:
        self._held = None
        if self._times is not None:
            self._times.end(ended=False)
        close = getattr(self._raw, "close", None)
        if close is not None:
            close()

    def _position(self) -> Position:
        paced = {} if self._pace is None else self._pace.position()
        timed = {} if self._times is None else self._times.position()
        return {**self._split.position, **paced, **timed, **self._point, "rows": self._rows}

    def _told_apart(self, raw: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch | None]:
        """The rows that leave, and the delayed ones among them, if there are any, with their clocks."""
        raw = plain_batch(raw)  # Arrow cannot filter views, which delayed rows are told apart by
        found = None if self._times is None or self._times.computed else self._times.advance(raw)
        if found is None:
            return self._shape.apply(raw), None
        clocks = raw.append_column(pa.field(CLOCK, pa.int64(), nullable=False), pa.array(found.clocks))
        delayed = pa.array(found.mask)
        return self._shape.apply(raw.filter(pa.array(~found.mask))), self._shape.apply(clocks.filter(delayed))

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
            self._raw = self._make(max_rows, self._skip)  # in the first poll, which knows the size of batches
        dropped = 0
        for item in self._raw:
            if isinstance(item, ResumePoint):
                self._point = {"at": item.at, "before": self._rows - self._skip}
            elif isinstance(item, NextFile | SkippedRows):
                self._mark(item)
            elif not isinstance(item, pa.RecordBatch | AlreadyRead):
                self._due = item
                return None
            elif (read := rows_of(item)) <= self._skip:
                self._pass(read)
                dropped += 1
                if dropped == _UNMATCHED_BATCHES:
                    self._due = 0.0
                    return None
            else:
                return self._behind_position(item)
        if self._times is not None:
            self._times.end(ended=True)
        return Finished()

    def _pass(self, rows: int) -> None:
        """Drop rows that were read before; behind the last of them the clock of the position goes on."""
        self._skip -= rows
        if rows and not self._skip and self._times is not None:
            self._times.restore()

    def _behind_position(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows of ``batch`` behind those to skip; the clock of the position is that of these rows."""
        fresh = batch.slice(self._skip)
        self._pass(self._skip)
        return fresh

    def _mark(self, mark: NextFile | SkippedRows) -> None:
        if self._times is None:
            return
        if isinstance(mark, NextFile):
            self._times.next_file(mark)
        else:
            self._times.skip(mark.maximum)


class BatchSource:
    """The protocol's Source for a connector. A paced source has a single split, for any number of files."""

    def __init__(self, spec: Spec, connector: Connector, clock: Clock = time.time) -> None:
        self._spec = spec
        self._connector = connector
        self._shape = Shape.of(spec)
        self._clock = clock
        self._times = None if spec.timing is None else SourceTimes(spec, spec.timing, clock)
        self.unbounded: str | None = None
        """After ``splits``: one of several files with rows that does not say its earliest time; None if all do."""

    def splits(self) -> list[Split]:
        parts = sorted(self._connector.splits(), key=lambda split: split.lower_bound)
        if self._times is not None and len(parts) > 1:
            self.unbounded = self._first_unbounded(parts)
        if pace_of(self._spec, self._clock, {}) is None or not parts:
            return parts
        total = SourceEstimate.of(parts)
        sequence = {"parts": [[part.id, part.position, part.lower_bound] for part in parts]}
        return [Split("paced", sequence, parts[0].lower_bound, total.nbytes or 0, total.rows)]

    def on_warning(self, tell: Callable[[str, str], None]) -> None:
        """Call ``tell`` with the kind and the description of a fault in event times, instead of logging it."""
        if self._times is not None:
            self._times.tell = tell

    def _first_unbounded(self, parts: Sequence[Split]) -> str | None:
        """Find the file of ``unbounded``. Opens at most two files that have rows, and those without before them."""
        silent = [part for part in parts if part.lower_bound == MIN_WATERMARK and "file" in part.position]
        with_rows = (part for part in silent if self._has_rows(part))
        first = next(with_rows, None)
        if first is None or (len(silent) == len(parts) and next(with_rows, None) is None):
            return None
        file: str = first.position["file"]
        return file

    def _has_rows(self, part: Split) -> bool:
        """True if ``part`` has a row, or cannot be read: its task raises the error then."""
        try:
            return any(
                isinstance(batch, pa.RecordBatch) and batch.num_rows for batch in self._connector.batches(part, 1)
            )
        except SabotnbError:
            return True

    def estimate(self) -> SourceEstimate:
        return self._connector.estimate()

    def open(self, split: Split) -> BatchReader:
        pace = pace_of(self._spec, self._clock, split.position)
        return BatchReader(
            partial(self._connector.batches if pace is None else self._sequence, split),
            split,
            self._shape,
            pace,
            None if self._times is None else self._times.of(split),
        )

    def _sequence(self, split: Split, batch_rows: int, done: int) -> RawBatches:
        parts = [Split(name, position, low) for name, position, low in split.position["parts"]]
        return in_sequence(self._connector, parts, split.position.get("at", {}), batch_rows, done)
