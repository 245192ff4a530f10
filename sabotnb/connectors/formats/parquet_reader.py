"""Opens Parquet files with the checks and options that every reader of them needs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from sabotnb.connectors.folders.paths import reading
from sabotnb.errors import SourceError
from sabotnb.native import ENCRYPTED_FILE, check_names, footer_fault

TRUNCATED = "it is truncated or no Parquet file; write it again or leave it out"


def open_parquet(file: str, **options: Any) -> pq.ParquetFile:
    """Open ``file``; SourceError if its footer cannot be read. ``metadata``, if given, is from an earlier call.

    INT96 timestamps (old Spark, Hive, Impala) are read in microseconds: in nanoseconds, years outside 1677-2262 wrap.
    Pages that have a checksum are verified, which takes about a sixth of the time that decoding them does.
    """
    with reading(file, TRUNCATED):
        if options.get("metadata") is None:
            _check_footer(file)
        opened = pq.ParquetFile(file, coerce_int96_timestamp_unit="us", page_checksum_verification=True, **options)
        check_names(opened.schema_arrow)
        return opened


def _check_footer(file: str) -> None:
    """Refuse footers that crash pyarrow; those that make it raise are left to it."""
    with Path(file).open("rb") as opened:
        size = opened.seek(0, os.SEEK_END)
        opened.seek(max(0, size - 8))
        end = opened.read()
        length = int.from_bytes(end[:4], "little")
        fault = ENCRYPTED_FILE if end[4:] == b"PARE" else None
        if end[4:] == b"PAR1" and length <= size - 8:
            opened.seek(size - 8 - length)
            fault = footer_fault(opened.read(length))
    if fault:
        raise SourceError(f"'{file}' cannot be read ({fault}): write it again or leave it out")
