"""Opens Parquet files with the options that every reader of rows needs."""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq

from sabotnb.connectors.folders.paths import reading
from sabotnb.connectors.formats.parquet_footers import TRUNCATED, footers


def open_parquet(file: str, **options: Any) -> pq.ParquetFile:
    """Open ``file`` with the footer that is known of it; SourceError if it cannot be read.

    INT96 timestamps (old Spark, Hive, Impala) are read in microseconds: in nanoseconds, years outside 1677-2262 wrap.
    Pages that have a checksum are verified, which takes about a sixth of the time that decoding them does.
    """
    metadata = footers.read(file).metadata
    with reading(file, TRUNCATED):
        return pq.ParquetFile(
            file, metadata=metadata, coerce_int96_timestamp_unit="us", page_checksum_verification=True, **options
        )
