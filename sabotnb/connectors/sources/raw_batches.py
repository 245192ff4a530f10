"""What a connector is: it lists the splits of a source, and yields the raw rows of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from sabotnb.protocol import Split

RawBatches = Iterator["pa.RecordBatch | float | None"]
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
