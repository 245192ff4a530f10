"""Opens Parquet files with the options that every reader of them needs."""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq

from sabotnb.connectors.paths import reading

TRUNCATED = "it is truncated or no Parquet file; write it again or leave it out"


def open_parquet(file: str, **options: Any) -> pq.ParquetFile:
    """Open ``file``; SourceError if its footer cannot be read.

    INT96 timestamps (old Spark, Hive, Impala) are read in microseconds: in nanoseconds, years outside 1677-2262 wrap.
    Pages that have a checksum are verified, which takes about a sixth of the time that decoding them does.
    """
    with reading(file, TRUNCATED):
        return pq.ParquetFile(file, coerce_int96_timestamp_unit="us", page_checksum_verification=True, **options)
