"""The last rows that went by, kept while somebody looks at them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.native import hash_rows

KEPT_ROWS = 65_536
KEPT_BYTES = 32 << 20
SAMPLE_BYTES = 4 << 20
"""Of a sample that leaves its agent; one row may be larger."""
HOT_KEYS = 5
KEY_LETTERS = 200


@dataclass(frozen=True, slots=True)
class ProbeSample:
    """Rows that a probe has kept, in order, and how many it has ``seen`` since it was put there at ``since``."""

    batches: tuple[pa.RecordBatch, ...]
    seen: int
    since: float

    @property
    def rows(self) -> int:
        """How many rows were kept."""
        return sum(batch.num_rows for batch in self.batches)

    def last(self, rows: int) -> bytes:
        """The last ``rows`` rows as an Arrow IPC stream, fewer where they are large; nothing if there are none."""
        if not self.batches or rows < 1:
            return b""
        found: deque[pa.RecordBatch] = deque()
        for batch in reversed(self.batches):
            found.appendleft(_compact(batch.slice(max(0, batch.num_rows - rows))))
            rows -= found[0].num_rows
            if rows <= 0 or sum(piece.nbytes for piece in found) > SAMPLE_BYTES:
                break
        while found[0].num_rows > 1 and sum(piece.nbytes for piece in found) > SAMPLE_BYTES:
            found[0] = found[0].slice((found[0].num_rows + 1) // 2)
        return _stream(found)

    def hot(self, keys: Sequence[str]) -> list[tuple[str, int]]:
        """The most frequent values of columns ``keys`` among the kept rows, and how many rows have them."""
        if not keys or not self.batches or not set(keys) <= set(self.batches[0].schema.names):
            return []
        columns = [[batch.column(key) for key in keys] for batch in self.batches]
        hashes = pa.concat_arrays([hash_rows(of_batch) for of_batch in columns])
        counted = pc.value_counts(hashes)
        order = pc.select_k_unstable(counted.field("counts"), HOT_KEYS, [("", "descending")])
        table = pa.Table.from_batches(self.batches).select(list(keys))
        found = []
        for number in order.to_pylist():
            row = pc.index(hashes, counted.field("values")[number]).as_py()
            values = [column[row].as_py() for column in table.columns]
            found.append((_text(values), counted.field("counts")[number].as_py()))
        return found


class Probe:
    """Keeps the last batches that the task lets it ``see``, by reference; read by other threads.

    About ``KEPT_ROWS`` rows and ``KEPT_BYTES`` bytes of what those batches keep alive, but one batch at least.
    """

    def __init__(self, now: float) -> None:
        self.asked = now
        """When it was read last."""
        self._since = now
        self._changed = threading.Condition()
        self._batches: deque[tuple[pa.RecordBatch, int]] = deque()
        self._rows = 0
        self._nbytes = 0
        self._seen = 0
        self._ended = False

    def see(self, batch: pa.RecordBatch) -> None:
        """Rows go by; called by the task's thread."""
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
        """The task is over."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_seen(self, timeout: float) -> None:
        """Return when it has seen a row, none will come, or ``timeout`` seconds have passed."""
        with self._changed:
            self._changed.wait_for(lambda: self._seen or self._ended, timeout)

    def sample(self) -> ProbeSample:
        """What it has kept."""
        with self._changed:
            return ProbeSample(tuple(batch for batch, _ in self._batches), self._seen, self._since)


def _compact(batch: pa.RecordBatch) -> pa.RecordBatch:
    """``batch`` with only those values in its dictionaries that its rows have."""
    columns = [_smaller(column) if isinstance(column, pa.DictionaryArray) else column for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _smaller(column: pa.DictionaryArray) -> pa.DictionaryArray:
    used = pc.unique(column.indices.drop_null())
    indices = pc.index_in(column.indices, used).cast(column.type.index_type)
    return pa.DictionaryArray.from_arrays(indices, column.dictionary.take(used), ordered=column.type.ordered)


def _stream(batches: Sequence[pa.RecordBatch]) -> bytes:
    target = pa.BufferOutputStream()
    with pa.ipc.new_stream(target, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    data: bytes = target.getvalue().to_pybytes()
    return data


def _text(values: Sequence[object]) -> str:
    return ", ".join("null" if value is None else str(value) for value in values)[:KEY_LETTERS]
