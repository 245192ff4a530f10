"""The source protocol: sources, their splits, and the readers that source tasks poll."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from sabotnb.eventtime import DelayedRows, Times
from sabotnb.protocol.elements import MAX_WATERMARK, MIN_WATERMARK

Position = Mapping[str, Any]
"""Where to continue reading a split; JSON-able."""


@dataclass(frozen=True, slots=True)
class Split:
    """A part of a source that one reader reads in order: a file, a row group, a slice of a table."""

    id: str
    position: Position = field(default_factory=dict)
    lower_bound: int = MIN_WATERMARK
    """No row of the split has an event time below this (microseconds); splits are read in this order."""
    nbytes: int = 0
    """Estimated size, to balance splits over tasks; 0 if unknown."""
    rows: int | None = None

    @property
    def weight(self) -> int:
        """Its size for comparison with other splits; without sizes, all splits weigh the same."""
        return max(self.nbytes, 1)


@dataclass(frozen=True, slots=True)
class SplitsLeft:
    """What the tasks of a source know of the splits that none of them has yet.

    No row of these splits has an event time below ``bound``, which is that of the split ``following``. Without
    arguments: no split is left.
    """

    bound: int = MAX_WATERMARK
    following: str | None = None

    @property
    def more(self) -> bool:
        """True if a task may ask for splits."""
        return self.following is not None


@dataclass(frozen=True, slots=True)
class Finished:
    """The split has no more rows."""


class Polled(NamedTuple):
    """Rows of a split, and the position after them (see ``Reader.processed``).

    ``delayed`` are those that are delayed in event time, with the column ``CLOCK``; they came among ``rows``, which may
    be empty then. ``ahead`` is the number of rows in the far future that were read, also of those that left none here.
    """

    rows: pa.RecordBatch
    position: Position
    delayed: pa.RecordBatch | None = None
    ahead: int = 0


class Reader(Protocol):
    """Reads one split; belongs to one task's thread."""

    def poll(self, max_rows: int) -> Polled | Finished | None:
        """Return the next rows (at most ``max_rows``) and the position after them; None if there are none yet.

        Never waits for data that does not exist yet; reading existing data may block.
        """
        ...

    def watermark(self) -> int:
        """The event time (microseconds) below which no further row of the split is, except for delayed ones."""
        return MIN_WATERMARK

    def raise_floor(self, us: int) -> None:
        """Let the clock of the split be ``us`` at least: other rows advanced event time while it had none."""
        return

    def advance_clock(self, times: Times) -> DelayedRows | None:
        """Move the clock of the split over the event times of its next rows, if they are computed behind the source.

        Returns which rows are delayed, None if none is.
        """
        return None

    def processed(self, position: Position) -> Position:
        """``position``, that of the last poll, once its rows were processed: the clock is that behind all of them.

        It differs from ``position`` only where ``advance_clock`` moves the clock.
        """
        return position

    def due(self) -> float | None:
        """After a poll that returned None: in how many seconds another may return rows; None if unknown."""
        return None

    def close(self) -> None:
        """Release files."""


class Source(Protocol):
    """A source that is read in splits. Created from a ``graph.Source`` spec, in the client and on agents alike."""

    def splits(self) -> list[Split]:
        """All splits that exist now, in order of ``lower_bound``; reads metadata only."""
        ...

    def open(self, split: Split) -> Reader:
        """Open ``split`` at its position; SourceError if it does not match the schema."""
        ...

    def on_warning(self, tell: Callable[[str, str], None]) -> None:
        """Call ``tell`` with the kind and the description of a fault in the data, once per kind, instead of logging."""
        return
