"""Rows that have been received and whose results have not left yet, as state of their task."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sabotnb.expr import python_rows

SLICE_ROWS = 1024


@dataclass(eq=False, slots=True)
class PendingRow:
    """A row that the function was called with. ``done`` is set last, by the thread of the event loop."""

    number: int
    source: pa.RecordBatch
    row: dict[str, Any]
    result: Any = None
    error: BaseException | None = None
    done: bool = False


class PendingRows:
    """Rows in the order of their arrival: first those in flight, then those that wait for their call.

    Implements ``protocol.KeyedState`` with one group; loaded rows wait for their call.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self.in_flight: deque[PendingRow] = deque()
        self._batches: deque[pa.RecordBatch] = deque()
        self._rows: deque[tuple[pa.RecordBatch, dict[str, Any]]] = deque()
        self._next = 0
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """Number of rows that wait for their call."""
        return self._waiting

    @property
    def received(self) -> int:
        """Number of rows received since the start: the number of the next one."""
        return self._next + self._waiting

    @property
    def first(self) -> int:
        """The number of the first row whose result has not left; ``received`` if there is none."""
        return self.in_flight[0].number if self.in_flight else self._next

    def count_before(self, number: int) -> int:
        """The number of rows before row ``number`` whose results have not left."""
        called = sum(pending.number < number for pending in self.in_flight)
        return called + max(0, number - self._next)

    def add(self, batch: pa.RecordBatch) -> None:
        """Add rows that wait for their call."""
        self._batches.append(batch)
        self._waiting += batch.num_rows

    def call_next(self) -> PendingRow:
        """Move the next row that waits into flight."""
        if not self._rows:
            batch = self._batches.popleft()
            piece = batch.slice(0, SLICE_ROWS)
            if batch.num_rows > SLICE_ROWS:
                self._batches.appendleft(batch.slice(SLICE_ROWS))
            sources = (piece.slice(number, 1) for number in range(piece.num_rows))
            self._rows.extend(zip(sources, python_rows(piece), strict=True))
        source, row = self._rows.popleft()
        pending = PendingRow(self._next, source, row)
        self._next += 1
        self._waiting -= 1
        self.in_flight.append(pending)
        return pending

    def take_done(self, *, ordered: bool) -> list[PendingRow]:
        """Remove the rows that are done; if ``ordered``, only those before the first that is not."""
        taken: list[PendingRow] = []
        if ordered:
            while self.in_flight and self.in_flight[0].done:
                taken.append(self.in_flight.popleft())
            return taken
        rest: deque[PendingRow] = deque()
        for pending in self.in_flight:
            (taken if pending.done else rest).append(pending)
        self.in_flight = rest
        return taken

    def groups(self) -> Sequence[int]:
        return [0] if self.in_flight or self._waiting else []

    def freeze(self, groups: Sequence[int]) -> FrozenPendingRows:
        sources = [pending.source for pending in self.in_flight] + [source for source, _ in self._rows]
        return FrozenPendingRows(self.schema, sources, tuple(self._batches))

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        return self.freeze([group]).export(group)

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        for batch in batches:
            self.add(batch)

    def drop(self, group: int) -> None:
        self.in_flight.clear()
        self._batches.clear()
        self._rows.clear()
        self._next, self._waiting = self._next + self._waiting, 0

    def nbytes(self, group: int) -> int:
        return self.size()[1]

    def size(self) -> tuple[int, int]:
        held = sum(batch.nbytes for batch in self._batches)
        return len(self.in_flight) + self._waiting, held + 1024 * (len(self.in_flight) + len(self._rows))


class FrozenPendingRows:
    """The rows when they were frozen, in order; may be read from any thread."""

    def __init__(self, schema: pa.Schema, sources: Sequence[pa.RecordBatch], batches: Sequence[pa.RecordBatch]) -> None:
        self._schema = schema
        self._sources = sources
        self._batches = batches

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The rows, those in flight first."""
        for start in range(0, len(self._sources), SLICE_ROWS):
            yield pa.concat_batches(self._sources[start : start + SLICE_ROWS])
        yield from self._batches
