"""Reads footers of Parquet files, with the checks that every reader needs, and keeps them while files are unchanged.

Describing a source, estimating it, making its splits and reading each split all need the footer. It is read once: a
footer that was kept counts while the file has the same size, time of change and inode.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from sabotnb.connectors.folders.paths import reading
from sabotnb.errors import SourceError
from sabotnb.native import ENCRYPTED_FILE, check_names, footer_fault

TRUNCATED = "it is truncated or no Parquet file; write it again or leave it out"

_BAD_NAMES = "write it again with names in UTF-8, or leave it out"

KEPT_BYTES = 32 << 20
"""The limit of all footers that are kept, as they are written in files; in memory they take several times that."""

SETTLED_SECONDS = 0.1
"""A younger file may be rewritten within one tick of the file system's clock, which its time would not show."""

_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class ParquetFooter:
    """What a Parquet file says about itself. INT96 timestamps are in microseconds in ``schema``."""

    metadata: pq.FileMetaData
    schema: pa.Schema


class FooterCache:
    """The footers that were used last, at most ``limit`` bytes of them. Thread-safe."""

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self._limit = limit
        self._kept: OrderedDict[str, tuple[_Stamp, ParquetFooter]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def read(self, file: str) -> ParquetFooter:
        """The footer of ``file``; SourceError if it cannot be read."""
        with reading(file, TRUNCATED):
            status = Path(file).stat()
        stamp = (status.st_size, status.st_mtime_ns, status.st_ino)
        with self._lock:
            kept = self._kept.get(file)
            if kept is not None and kept[0] == stamp:
                self._kept.move_to_end(file)
                return kept[1]
        footer = _read(file)  # not under the lock: files are read in parallel
        if time.time() - status.st_mtime > SETTLED_SECONDS:
            self._keep(file, stamp, footer)
        return footer

    def _keep(self, file: str, stamp: _Stamp, footer: ParquetFooter) -> None:
        with self._lock:
            replaced = self._kept.pop(file, None)
            self._bytes -= replaced[1].metadata.serialized_size if replaced else 0
            self._kept[file] = stamp, footer
            self._bytes += footer.metadata.serialized_size
            while self._bytes > self._limit:
                _, (_, oldest) = self._kept.popitem(last=False)
                self._bytes -= oldest.metadata.serialized_size


footers = FooterCache()
"""The footers of this process."""


def _read(file: str) -> ParquetFooter:
    with reading(file, TRUNCATED), Path(file).open("rb") as opened:
        _check_footer(file, opened)
        try:
            parsed = pq.ParquetFile(opened, coerce_int96_timestamp_unit="us")
        except UnicodeDecodeError as error:  # pyarrow reads the paths of all columns
            problem = f"the name of a column is not UTF-8: {error.object!r}"
            raise SourceError(f"'{file}' cannot be read ({problem}): {_BAD_NAMES}") from error
        with reading(file, _BAD_NAMES):  # what Arrow adds to the footer has names of time zones
            check_names(parsed.schema_arrow)
        return ParquetFooter(parsed.metadata, parsed.schema_arrow)


def _check_footer(file: str, opened: BinaryIO) -> None:
    """Refuse footers that crash pyarrow; those that make it raise are left to it."""
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
