"""One temporary file of a sink: buffers rows, writes them as row groups, and makes the complete file durable."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from sabotnb.connectors.formats.writers import FileWriter, WrittenFormat
from sabotnb.connectors.sinks.folder_changes import sync_file, sync_folder, writing
from sabotnb.connectors.sinks.hidden_folders import PARTIAL
from sabotnb.connectors.sinks.ownership import FileOrigin, final_name
from sabotnb.native import compact, own_bytes
from sabotnb.protocol import Committable, Prepared

FLUSH_ROWS = 131_072
ROLL_BYTES = 128 << 20
ROLL_SECONDS = 900.0
"""A file of this size, or that has been open for so long, gets no more rows: a long cut makes no giant file."""

LETTERS_OF_OPERATOR = 80
"""Letters of an operator's id in a hidden file's name: for people who look; the rest of the name is unique."""


def hidden_name(operator: str, name: str) -> str:
    """The name of a hidden file."""
    return f"{quote(operator, safe='')[:LETTERS_OF_OPERATOR]}-{name}{PARTIAL}"


class HiddenFile:
    """A hidden file that is being written: ``part`` of ``folder``, a partition's folder below the output."""

    def __init__(self, hidden: Path, folder: str, part: str, written: WrittenFormat, schema: pa.Schema) -> None:
        self.hidden = hidden
        self._folder = folder
        self._part = part
        self._suffix = written.suffix
        self._schema = schema
        self._stream = pa.OSFile(str(hidden), "wb")
        try:
            self._writer: FileWriter = written.open(self._stream, schema)
        except BaseException:
            self._stream.close()
            hidden.unlink()
            raise
        self._began = time.monotonic()
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self._rows = 0
        self.waiting_bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Buffer rows; writes them when there are FLUSH_ROWS."""
        nbytes = own_bytes(batch)
        self._waiting.append(compact(batch, nbytes))
        self._waiting_rows += batch.num_rows
        self.waiting_bytes += nbytes
        if self._waiting_rows >= FLUSH_ROWS:
            self.flush()

    def is_full(self) -> bool:
        """True if the rows that follow belong into another file."""
        return self._stream.tell() >= ROLL_BYTES or time.monotonic() - self._began >= ROLL_SECONDS

    def flush(self) -> None:
        """Write the buffered rows."""
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema).combine_chunks())
            self._rows += self._waiting_rows
            self._waiting, self._waiting_rows, self.waiting_bytes = [], 0, 0

    def complete(self) -> None:
        """Write the buffered rows and what the format has behind them, and close the file."""
        if not self._stream.closed:
            self.flush()
            self._writer.close()
            self._stream.close()

    def durable(self, origin: FileOrigin) -> dict[str, Any]:
        """Complete the file, sync it to the disk and return its description for the committer."""
        self.complete()
        sync_file(self.hidden)
        name = final_name(self._part, origin, self._suffix)
        return {"hidden": str(self.hidden), "final": str(Path(self._folder) / name), "rows": self._rows}

    def discard(self) -> None:
        """Remove the file, which no committable describes."""
        with suppress(OSError, pa.ArrowException):  # closing writes a footer, which a full disk refuses
            self._writer.close()
        with suppress(OSError, pa.ArrowException):
            self._stream.close()
        self.hidden.unlink(missing_ok=True)


class RolledFiles(Prepared):
    """The files that one task has written between two cuts; some may still have rows to be written."""

    def __init__(self, operator: str, output: Path, origin: FileOrigin, files: Sequence[HiddenFile]) -> None:
        self._operator = operator
        self._output = output
        self._origin = origin
        self._files = files

    def durable(self) -> list[Committable]:
        with writing(self._output):
            try:
                files = [file.durable(self._origin) for file in self._files]
            except BaseException:
                for file in self._files:
                    file.discard()
                raise
            for folder in {file.hidden.parent for file in self._files}:
                sync_folder(folder)
        payload = {"cut": self._origin.cut, "output": str(self._output), "files": files}
        return [Committable(self._operator, payload)] if files else []
