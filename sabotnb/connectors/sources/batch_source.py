"""What every source has in common: raw batches come in, rows of the spec's schema go out, and positions are counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

import pyarrow as pa

from sabotnb import expr
from sabotnb.connectors.file_schemas import declared
from sabotnb.connectors.sources.pacing import ReadPace, pace_of
from sabotnb.connectors.sources.whole_orders import told_orders, with_whole_order
from sabotnb.errors import SourceError
from sabotnb.graph import Source as Spec
from sabotnb.native import is_ordered, plain_batch
from sabotnb.protocol import Finished, Position, Split

Clock = Callable[[], float]
RawBatches = Iterator["pa.RecordBatch | float | None"]
"""Batches; where there is nothing yet the seconds until there may be something, or None if unknown."""

_UNMATCHED_BATCHES = 200
"""Batches without a row that passes the predicate, after which ``poll`` returns to let its task look at its mailbox."""


@dataclass(frozen=True, slots=True)
class SourceEstimate:
    """What reading a source would bring; None where that cannot be known without reading."""

    rows: int | None
    nbytes: int | None

    @classmethod
    def of(cls, splits: Iterable[Split]) -> SourceEstimate:
        """The sum of ``splits``."""
        found = list(splits)
        rows = None if any(split.rows is None for split in found) else sum(split.rows or 0 for split in found)
        return cls(rows, sum(split.nbytes for split in found))


class Connector(Protocol):
    """One way of reading, without the conveniences around it."""

    def splits(self) -> list[Split]:
        """Every part there is, in reading order."""
        ...

    def estimate(self) -> SourceEstimate:
        """How much there is, cheaply."""
        ...

    def batches(self, split: Split, batch_rows: int) -> RawBatches:
        """All rows of ``split`` in order, with at least ``Shape.columns``; never waits where there is nothing yet."""
        ...


@dataclass(frozen=True, slots=True)
class Shape:
    """What a source makes of raw rows: those that pass ``predicate``, with the columns and types of ``schema``.

    ``tested`` are the columns that the predicate reads, as the source declares them: files may hold other types.
    ``orders`` are the categories of ordered columns.
    """

    columns: tuple[str, ...]
    predicate: expr.Expr | None
    tested: tuple[pa.Field, ...]
    schema: pa.Schema
    orders: Mapping[str, pa.Array] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: Spec) -> Shape:
        """Columns are those that leave, that the predicate reads, and that the pace goes by."""
        names = dict.fromkeys(spec.schema.names)
        read = sorted(expr.columns(spec.predicate)) if spec.predicate is not None else []
        names |= dict.fromkeys(read)
        if spec.options.get("speed") and spec.event_time is not None:
            names[spec.event_time.column] = None
        types = declared(spec)
        return cls(
            tuple(names), spec.predicate, tuple(types.field(name) for name in read), spec.schema, told_orders(spec)
        )

    def apply(self, raw: pa.RecordBatch) -> pa.RecordBatch:
        """The rows that leave; SourceError for a column that cannot be what the schema says."""
        raw = plain_batch(raw)
        if self.predicate is not None:
            for field in self.tested:
                raw = _with(raw, field)
            raw = raw.filter(expr.evaluate(self.predicate, raw))
        if not raw.schema.equals(self.schema):
            arrays = [_as(raw.column(field.name), field) for field in self.schema]
            raw = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        return with_whole_order(raw, self.orders)


def _with(batch: pa.RecordBatch, field: pa.Field) -> pa.RecordBatch:
    """``batch`` with the column of that name in that type."""
    place = batch.schema.get_field_index(field.name)
    column = batch.column(place)
    return batch if column.type.equals(field.type) else batch.set_column(place, field, _as(column, field))


def _as(array: pa.Array, field: pa.Field) -> pa.Array:
    if array.type.equals(field.type):
        return array
    try:
        if is_ordered(field.type) and not is_ordered(array.type):
            raise SourceError(
                f"column {field.name!r} is {array.type}, which does not tell the order of {field.type}: "
                f"read it as text, schema={{{field.name!r}: 'string'}}"
            )
        if pa.types.is_dictionary(field.type) and not pa.types.is_dictionary(array.type):
            return expr.cast_exact(array, field.type.value_type).dictionary_encode().cast(field.type)
        return expr.cast_exact(array, field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SourceError(
            f"column {field.name!r} is {array.type} and cannot be read as {field.type} ({error}): change schema="
        ) from error


class BatchReader:
    """Reads one split; a position is how many raw rows were taken, before any filter."""

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
        """At most ``max_rows`` raw rows that are due."""
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
        """The next raw batch with rows behind the position that reading started from."""
        if self._raw is None:
            self._raw = self._make(max_rows)
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
    """A protocol Source made of a connector. A paced one is a single sequence: one split, whatever the files."""

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
        return [Split("paced", {}, parts[0].lower_bound, total.nbytes or 0, total.rows)]

    def estimate(self) -> SourceEstimate:
        return self._connector.estimate()

    def open(self, split: Split) -> BatchReader:
        pace = pace_of(self._spec, self._clock, split.position)
        return BatchReader(
            (lambda rows: self._connector.batches(split, rows)) if pace is None else self._sequence,
            split,
            self._shape,
            pace,
        )

    def _sequence(self, batch_rows: int) -> RawBatches:
        parts = sorted(self._connector.splits(), key=lambda split: split.lower_bound)
        return chain.from_iterable(self._connector.batches(part, batch_rows) for part in parts)
