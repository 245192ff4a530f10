"""The type of a stream: its columns, where its event time is, and whether rows are final or replace earlier ones."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from sabotnb.graph.specs import Keys
from sabotnb.graph.time_column import TimeColumn


@dataclass(frozen=True, slots=True)
class StreamType:
    """The rows behind an operator.

    ``time`` is None if they have no event time. ``key`` is None for APPEND: every row is final. Otherwise the stream is
    UPSERT: a row replaces an earlier one with the same values in the columns of ``key``. ``bounded`` streams end.
    Updates of a window may come until ``lateness`` after its end (microseconds). Columns that are ``lasting`` do not
    differ between a row and those that replace it: the key, and what is computed from it.
    """

    schema: pa.Schema
    time: TimeColumn | None = None
    key: Keys | None = None
    bounded: bool = True
    lateness: int = 0
    lasting: frozenset[str] = frozenset()
