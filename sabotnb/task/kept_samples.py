"""The last late and failing rows of a task's operators, kept to be looked at while the run is known."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import pyarrow as pa

from sabotnb.blobs import ipc_bytes
from sabotnb.graph import ERRORS, LATE
from sabotnb.protocol import Failure

KEPT_ROWS = 20
KEPT_BYTES = 64 << 10
"""Rows, and their bytes, that are kept of each operator and kind."""

FAILED = "failed"
"""Kind of the row that ended the job."""


class KeptSamples:
    """Rows by operator and kind: ``late``, ``errors`` (of ``on_error="side"``) and ``failed``.

    The task's thread adds rows; any thread reads them.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], deque[_Kept]] = {}

    def note(self, operator: str, side: str, batch: pa.RecordBatch) -> None:
        """Keep the last rows of a side output, if it is one of late or failing rows."""
        if side in (LATE, ERRORS):
            self._add(operator, side, batch.slice(max(0, batch.num_rows - KEPT_ROWS)))

    def note_failure(self, failure: Failure) -> None:
        """Keep what is known of the row for which an operator raised."""
        if failure.operator:
            row = {"reason": failure.message.partition("\n")[0], "row": failure.sample}
            self._add(failure.operator, FAILED, pa.RecordBatch.from_pylist([row]))

    def answers(self) -> list[dict[str, Any]]:
        """The rows as plain data: operator, kind, time, and an Arrow IPC stream of each batch."""
        with self._lock:
            kept = [(*key, sample) for key, batches in self._kept.items() for sample in batches]
        return [
            {"operator": operator, "kind": kind, "time": sample.at, "batch": sample.data}
            for operator, kind, sample in kept
        ]

    def _add(self, operator: str, kind: str, batch: pa.RecordBatch) -> None:
        """Keep rows as bytes, since a slice would keep its whole batch; the first ones are left out if it is large."""
        data = ipc_bytes(batch.schema, [batch])
        while len(data) > KEPT_BYTES and batch.num_rows > 1:
            batch = batch.slice((batch.num_rows + 1) // 2)
            data = ipc_bytes(batch.schema, [batch])
        if len(data) > KEPT_BYTES:
            return
        with self._lock:
            batches = self._kept.setdefault((operator, kind), deque())
            batches.append(_Kept(self._clock(), batch.num_rows, data))
            while (
                sum(kept.rows for kept in batches) > KEPT_ROWS or sum(len(kept.data) for kept in batches) > KEPT_BYTES
            ):
                batches.popleft()


class _Kept(NamedTuple):
    at: float
    rows: int
    data: bytes
