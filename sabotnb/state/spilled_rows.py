"""Rows in temporary files: batches that are read from the disk where they are used.

A file is mapped into memory, so its batches are used as all others are, also by other threads. The system reads the
pages that are touched and drops them when memory is short. The file loses its name at once and its space with the last
batch, so nothing is left behind, however the process ends.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from sabotnb.state.grouped_batches import GroupedBatches
from sabotnb.state.spill_file import no_room

PREFIX = "sabotnb-rows-"


def _not_counted(_nbytes: int) -> None:
    return


@dataclass(frozen=True, slots=True)
class SpillPolicy:
    """Rows of more than ``limit`` bytes in memory go to a file, as ``in_order`` returns them; the rows have no groups.

    ``count`` is called with the bytes of each file.
    """

    limit: int
    in_order: Callable[[GroupedBatches], Iterable[pa.RecordBatch]]
    count: Callable[[int], None] = _not_counted

    def spilled(self, rows: GroupedBatches) -> list[pa.RecordBatch]:
        """Write ``rows`` to a file, and return them as batches of it.

        Raises:
            OutOfMemory: the file cannot be written.
        """
        folder = tempfile.gettempdir()
        try:
            return self._spilled(rows, folder)
        except OSError as error:
            raise no_room(f"rows of more than {self.limit >> 20} MB", folder, "SABOTNB_SORT_BYTES", error) from error

    def _spilled(self, rows: GroupedBatches, folder: str) -> list[pa.RecordBatch]:
        handle, path = tempfile.mkstemp(prefix=PREFIX, dir=folder)
        os.close(handle)
        try:
            with pa.OSFile(path, "wb") as file, pa.ipc.new_stream(file, rows.schema) as writer:
                for batch in self.in_order(rows):
                    writer.write_batch(batch)
            self.count(Path(path).stat().st_size)
            with pa.ipc.open_stream(pa.memory_map(path)) as reader:
                return list(reader)
        finally:
            with suppress(OSError):  # some systems keep the name of a mapped file
                Path(path).unlink()
