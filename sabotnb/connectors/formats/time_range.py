"""The event times in a Parquet row group, from its statistics."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pyarrow.parquet as pq

from sabotnb.eventtime import EARLIEST, LATEST

_PER_MILLION = {"milliseconds": 1_000_000_000, "microseconds": 1_000_000, "nanoseconds": 1_000}
"""Microseconds in a million units of a Parquet timestamp."""

_DAY = 86_400_000_000_000_000


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The smallest and the largest time in microseconds, rounded down; ``complete`` if none is null."""

    low: int
    high: int
    complete: bool

    def __or__(self, other: TimeRange) -> TimeRange:
        return TimeRange(min(self.low, other.low), max(self.high, other.high), self.complete and other.complete)


def time_range(column: pq.ColumnChunkMetaData, described: pq.ColumnSchema) -> TimeRange | None:
    """The times of a column of one row group; None if statistics do not say them or it has no times.

    The integers of the statistics are used: Python's datetime, which pyarrow makes of them, has no nanoseconds and no
    years beyond 9999.
    """
    statistics, kind = column.statistics, json.loads(described.logical_type.to_json())
    if statistics is None or not statistics.has_min_max:
        return None
    if kind["Type"] == "Date":
        factor = _DAY
    elif kind["Type"] == "Timestamp":
        factor = _PER_MILLION[kind["timeUnit"]]
    else:
        return None
    low, high = (
        max(EARLIEST, min(int(raw) * factor // 1_000_000, LATEST)) for raw in (statistics.min_raw, statistics.max_raw)
    )
    return TimeRange(low, high, bool(statistics.has_null_count and statistics.null_count == 0))
