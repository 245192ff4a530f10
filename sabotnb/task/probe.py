"""A probe: keeps the last rows that an operator has emitted, for display."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from sabotnb import text_limits
from sabotnb.blobs import ipc_bytes
from sabotnb.native import hash_rows

KEPT_ROWS = 65_536
KEPT_BYTES = 32 << 20
SAMPLE_BYTES = 4 << 20
"""Size limit of a sample that is sent to the client; a single row may be larger."""
HOT_KEYS = 5


@dataclass(frozen=True, slots=True)
class ProbeSample:
    """The rows that a probe has kept, in order, and how many it has ``seen`` since its start at ``since``."""

    batches: tuple[pa.RecordBatch, ...]
    seen: int
    since: float

    @property
    def rows(self) -> int:
        """Number of kept rows."""
        return sum(batch.num_rows for batch in self.batches)

    def last(self, rows: int) -> bytes:
        """Return the last ``rows`` rows as an Arrow IPC stream, fewer if they are large; b"" if there are none."""
        if not self.batches or rows < 1:
            return b""
        slices: deque[pa.RecordBatch] = deque()
        for batch in reversed(self.batches):
            slices.appendleft(_compact(batch.slice(max(0, batch.num_rows - rows))))
            rows -= slices[0].num_rows
            if rows <= 0 or sum(kept.nbytes for kept in slices) > SAMPLE_BYTES:
                break
        while slices[0].num_rows > 1 and sum(kept.nbytes for kept in slices) > SAMPLE_BYTES:
            slices[0] = slices[0].slice((slices[0].num_rows + 1) // 2)
        return ipc_bytes(slices[0].schema, slices)

    def hot(self, keys: Sequence[str]) -> list[tuple[str, int]]:
        """Return the most frequent values of columns ``keys`` in the kept rows, with their numbers of rows."""
        if not keys or not self.batches or not set(keys) <= set(self.batches[0].schema.names):
            return []
        columns = [[batch.column(key) for key in keys] for batch in self.batches]
        hashes = pa.concat_arrays([hash_rows(arrays) for arrays in columns])
        counted = pc.value_counts(hashes)
        order = pc.select_k_unstable(counted.field("counts"), HOT_KEYS, [("", "descending")])
        table = pa.Table.from_batches(self.batches).select(list(keys))
        hot_keys = []
        for number in order.to_pylist():
            row = pc.index(hashes, counted.field("values")[number]).as_py()
            values = [column[row].as_py() for column in table.columns]
            hot_keys.append((_text(values), counted.field("counts")[number].as_py()))
        return hot_keys


class Probe:
    """Keeps the last batches of an operator, by reference; other threads read them.

    It keeps about ``KEPT_ROWS`` rows, and batches that keep about ``KEPT_BYTES`` bytes alive, but at least one batch.
    """

    def __init__(self, now: float) -> None:
        self.read_at = now
        """When the probe was last read."""
        self._since = now
        self._changed = threading.Condition()
        self._batches: deque[tuple[pa.RecordBatch, int]] = deque()
        self._rows = 0
        self._nbytes = 0
        self._seen = 0
        self._ended = False

    def record(self, batch: pa.RecordBatch) -> None:
        """Keep a batch that the operator has emitted; called by the task's thread."""
        nbytes = batch.get_total_buffer_size()
        with self._changed:
            self._seen += batch.num_rows
            self._batches.append((batch, nbytes))
            self._rows += batch.num_rows
            self._nbytes += nbytes
            while len(self._batches) > 1 and (self._rows > KEPT_ROWS or self._nbytes > KEPT_BYTES):
                dropped, size = self._batches.popleft()
                self._rows -= dropped.num_rows
                self._nbytes -= size
            self._changed.notify_all()

    def end(self) -> None:
        """Note that the task has ended, which wakes waiting readers."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_seen(self, timeout: float) -> None:
        """Wait until the probe has seen a row or its task has ended, ``timeout`` seconds at most."""
        with self._changed:
            self._changed.wait_for(lambda: self._seen or self._ended, timeout)

    def sample(self) -> ProbeSample:
        """Return the kept rows."""
        with self._changed:
            return ProbeSample(tuple(batch for batch, _ in self._batches), self._seen, self._since)


def _compact(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return ``batch`` with dictionaries that have only the values of its rows."""
    columns = [
        _compact_dictionary(column) if isinstance(column, pa.DictionaryArray) else column for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _compact_dictionary(column: pa.DictionaryArray) -> pa.DictionaryArray:
    used = pc.unique(column.indices.drop_null())
    indices = pc.index_in(column.indices, used).cast(column.type.index_type)
    return pa.DictionaryArray.from_arrays(indices, column.dictionary.take(used), ordered=column.type.ordered)


def _text(values: Sequence[object]) -> str:
    return ", ".join("null" if value is None else str(value) for value in values)[: text_limits.HOT_KEY]
