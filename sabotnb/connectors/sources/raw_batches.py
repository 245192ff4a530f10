"""What a connector is: it lists the splits of a source, and yields the raw rows of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol

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


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """A reader may be opened here: its connector begins with the rows that follow if the position has this ``at``."""

    at: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AlreadyRead:
    """This many rows are at this place. They were read before and are not decoded again."""

    rows: int


RawBatches = Iterator["pa.RecordBatch | NextFile | SkippedRows | ResumePoint | AlreadyRead | float | None"]
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

    def batches(self, split: Split, batch_rows: int, done: int = 0) -> RawBatches:
        """All rows of ``split`` in order, with at least ``Shape.columns``; never waits for rows that do not exist yet.

        The order must be the same each time: positions are counts of rows. If the position of the split has the ``at``
        of a ``ResumePoint``, only the rows behind that point. The first ``done`` of them were read before: the
        connector yields as ``AlreadyRead`` as many of these as it can pass over.
        """
        ...


def in_turn(
    connector: Connector,
    parts: Sequence[Split],
    at: Mapping[str, Any],
    batch_rows: int,
    done: int,
    marks: Sequence[NextFile] = (),
) -> RawBatches:
    """The rows of ``parts`` one after the other, from the resume point ``at`` on.

    Each part comes behind its mark, if it has one. ``done`` is that of ``Connector.batches``.
    """
    first, inner = at.get("part", 0), at.get("at")
    for number in range(first, len(parts)):
        part = parts[number]
        if number == first and inner is not None:
            part = replace(part, position={**part.position, "at": inner})
            yield ResumePoint({"part": number, "at": inner})
        else:
            yield ResumePoint({"part": number})
        yield from marks[number : number + 1]
        for item in connector.batches(part, batch_rows, done):
            if isinstance(item, ResumePoint):
                yield ResumePoint({"part": number, "at": item.at})
                continue
            if isinstance(item, AlreadyRead | pa.RecordBatch):
                done = max(0, done - rows_of(item))
            yield item


def in_sequence(
    connector: Connector,
    parts: Iterable[Split],
    at: Mapping[str, Any],
    batch_rows: int,
    done: int,
    *,
    found: bool = False,
) -> RawBatches:
    """The rows of ``parts`` in the order of their lower bounds, each behind its ``NextFile``; see ``in_turn``."""
    ordered = sorted(parts, key=lambda part: part.lower_bound)
    bounds = [*(part.lower_bound for part in ordered), MAX_WATERMARK]
    marks = [
        NextFile(part.position.get("file", part.id), low, rest, found)
        for part, (low, rest) in zip(ordered, pairwise(bounds), strict=True)
    ]
    return in_turn(connector, ordered, at, batch_rows, done, marks)


def rows_of(item: pa.RecordBatch | AlreadyRead) -> int:
    """The number of rows of an item."""
    return int(item.rows if isinstance(item, AlreadyRead) else item.num_rows)
