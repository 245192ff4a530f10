"""An in-memory table that a job graph carries."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Table:
    """An in-memory Arrow table. Equal by content (sha256 of its Arrow IPC bytes)."""

    sha256: str
    rows: int
    nbytes: int
    data: pa.Table = field(compare=False, repr=False)


def table_of(table: pa.Table) -> Table:
    """Wrap ``table``, which must not be changed afterwards, and hash its content, in one chunk per column."""
    digest = _Digest()
    whole = table.replace_schema_metadata(None).combine_chunks()  # the division into chunks must not count
    with pa.ipc.new_stream(pa.PythonFile(digest, mode="w"), whole.schema) as writer:
        writer.write_table(whole)
    return Table(digest.sha256.hexdigest(), table.num_rows, table.nbytes, table)


class _Digest:
    """A file that only hashes what is written to it, so that the IPC stream is never in memory."""

    closed = False

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: writes are not buffered."""

    def close(self) -> None:
        self.closed = True
