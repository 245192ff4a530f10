"""Record batches in one temporary file, each of which is read alone.

The file loses its name when it is made and its space when the last reader is gone, so nothing is left behind, however
the process ends. Batches are read into memory, not mapped: pages of a mapped file count as memory of the process, and
Dask pauses and ends workers by that number.
"""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from sabotnb.blobs import ipc_bytes
from sabotnb.errors import OutOfMemory

PREFIX = "sabotnb-state-"


class SpilledBatch(NamedTuple):
    """Where a batch is in a ``SpillFile``."""

    start: int
    nbytes: int


def no_room(what: str, folder: str, setting: str, error: OSError) -> OutOfMemory:
    """Return the error of rows that cannot be written to ``folder``; ``setting`` keeps more of them in memory."""
    return OutOfMemory(
        f"{what} cannot be written to '{folder}': {error.strerror or error}. "
        f"Make room there, choose another folder by TMPDIR, or keep more rows in memory by {setting}"
    )


class SpillFile:
    """A file of batches that only grows. One thread appends; any thread may read.

    ``count`` is called with the bytes of each batch. The file is made for the first one.
    """

    def __init__(self, count: Callable[[int], None]) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._file = -1
        self._stop = 0

    def append(self, batch: pa.RecordBatch) -> SpilledBatch:
        """Write a batch.

        Raises:
            OutOfMemory: the file cannot be written.
        """
        data = memoryview(ipc_bytes(batch.schema, [batch]))
        folder = tempfile.gettempdir()
        try:
            self._write(data, folder)
        except OSError as error:
            raise no_room("state that does not fit in memory", folder, "SABOTNB_STATE_BYTES", error) from error
        spilled = SpilledBatch(self._stop, len(data))
        self._stop += len(data)
        self._count(len(data))
        return spilled

    def read(self, spilled: SpilledBatch) -> pa.RecordBatch:
        """Read a batch that ``append`` has written."""
        buffer = pa.allocate_buffer(spilled.nbytes)
        target = memoryview(buffer).cast("B")
        with self._lock, open(self._file, "rb", buffering=0, closefd=False) as file:
            file.seek(spilled.start)
            done = 0
            while done < spilled.nbytes:
                count = file.readinto(target[done:])
                if not count:
                    raise OSError(f"a temporary file of state ends at byte {spilled.start + done}")
                done += count
        return pa.ipc.open_stream(buffer).read_next_batch()

    def _write(self, data: memoryview, folder: str) -> None:
        if self._file < 0:
            self._file = _unnamed(folder)
            weakref.finalize(self, os.close, self._file)
        with self._lock, open(self._file, "wb", buffering=0, closefd=False) as file:
            file.seek(self._stop)
            while len(data):
                data = data[file.write(data) :]


def _unnamed(folder: str) -> int:
    """Open a new file for reading and writing, without a name where the system allows that."""
    file, path = tempfile.mkstemp(prefix=PREFIX, dir=folder)
    with suppress(OSError):
        Path(path).unlink()
    return file
