"""Refuses files that were modified after splits were made; splits of a modified file could mix old and new rows."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sabotnb.connectors.folders.paths import reading
from sabotnb.connectors.sources.following import FileConnector
from sabotnb.connectors.sources.raw_batches import RawBatches, SourceEstimate
from sabotnb.errors import SourceError
from sabotnb.protocol import Split


class FileGuard:
    """Connector that checks the files of another connector before and after it reads each split.

    ``files`` lists them when splits are made; each split has the size, time of change and inode of its file. With
    ``may_grow``, rows such as the lines of a log may be appended behind the splits. Another machine may have its own
    copy of a file, with another time and inode, so there only the size is compared.
    """

    def __init__(self, connector: FileConnector, files: Callable[[], Sequence[str]], *, may_grow: bool) -> None:
        self._connector = connector
        self._files = files
        self._may_grow = may_grow

    def estimate(self) -> SourceEstimate:
        return self._connector.estimate()

    def splits(self) -> list[Split]:
        return [split for file in self._files() for split in self.splits_of(file)]

    def batches(self, split: Split, batch_rows: int, done: int = 0) -> RawBatches:
        file, stamp = split.position["file"], split.position["stamp"]
        self._check(file, stamp)
        try:
            yield from self._connector.batches(split, batch_rows, done)
        except Exception:
            self._check(file, stamp)  # a modified file explains the error better than the format's message
            raise
        self._check(file, stamp)

    def splits_of(self, file: str) -> list[Split]:
        """The splits of one file, with what it is like now."""
        stamp = _stamp(file)
        splits = self._connector.splits_of(file)
        return [replace(split, position={**split.position, "stamp": stamp}) for split in splits]

    def _check(self, file: str, before: dict[str, Any]) -> None:
        now = _stamp(file)
        if now["size"] < before["size"]:
            what = f"was {before['size']:,} bytes and is {now['size']:,}"
        elif now != before and not self._may_be_so(before, now):
            what = "was rewritten"
        else:
            return
        raise SourceError(f"'{file}' {what} after the run started: re-run to read the new contents")

    def _may_be_so(self, before: dict[str, Any], now: dict[str, Any]) -> bool:
        if before["host"] != now["host"]:
            return self._may_grow or now["size"] == before["size"]
        return self._may_grow and now["inode"] == before["inode"] and now["size"] > before["size"]


def _stamp(file: str) -> dict[str, Any]:
    with reading(file):
        status: os.stat_result = Path(file).stat()
    return {
        "size": status.st_size,
        "changed": status.st_mtime_ns,
        "inode": status.st_ino,
        "host": platform.node(),
    }
