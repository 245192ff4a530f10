"""What a connector is: it lists the splits of a source, and yields the raw rows of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import pyarrow as pa

from sabotnb.protocol import MAX_WATERMARK, MIN_WATERMARK, Split


@dataclass(frozen=True, slots=True)
class NextFile:
    """The rows that follow are of another file; event time has a clock for each file of a split.

    No row of the file has an event time below ``lower_bound``, none of the files that are known to follow one below
    ``rest``. A file was ``found`` if it was not known when the split was opened.
    """

    file: str
    lower_bound: int = MIN_WATERMARK
    rest: int = MAX_WATERMARK
    found: bool = False


@dataclass(frozen=True, slots=True)
class SkippedRows:
    """Rows at this place are not read, as none of them passes the predicate; ``maximum`` is their latest event time."""

    maximum: int


RawBatches = Iterator["pa.RecordBatch | NextFile | SkippedRows | float | None"]
"""Yields batches; where there are no rows yet, the seconds until there may be some, or None if that is unknown."""


@dataclass(frozen=True, slots=True)
class SourceEstimate:
    """The estimated size of a source; None for a number that cannot be known without reading."""

    rows: int | None
    nbytes: int | None

    @classmethod
    def of(cls, splits: Iterable[Split]) -> SourceEstimate:
        """The sum of ``splits``."""
        found = list(splits)
        rows = None if any(split.rows is None for split in found) else sum(split.rows or 0 for split in found)
        return cls(rows, sum(split.nbytes for split in found))


class Connector(Protocol):
    """Reads one kind of source: lists splits, and yields the raw rows of each."""

    def splits(self) -> list[Split]:
        """All splits, in reading order."""
        ...

    def estimate(self) -> SourceEstimate:
        """The size, from metadata only."""
        ...

    def batches(self, split: Split, batch_rows: int) -> RawBatches:
        """All rows of ``split`` in order, with at least ``Shape.columns``; never waits for rows that do not exist yet.

        The order must be the same each time: positions are counts of rows.
        """
        ...


def in_sequence(connector: Connector, parts: Iterable[Split], batch_rows: int, *, found: bool = False) -> RawBatches:
    """The rows of ``parts`` in the order of their lower bounds, each behind its ``NextFile``."""
    ordered = sorted(parts, key=lambda part: part.lower_bound)
    bounds = [*(part.lower_bound for part in ordered), MAX_WATERMARK]
    for part, (low, rest) in zip(ordered, pairwise(bounds), strict=True):
        yield NextFile(part.position.get("file", part.id), low, rest, found)
        yield from connector.batches(part, batch_rows)
