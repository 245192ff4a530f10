"""Record batches as bytes: an Arrow IPC stream."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa


def ipc_bytes(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> bytes:
    """Return ``batches`` of ``schema`` as an Arrow IPC stream."""
    target = pa.BufferOutputStream()
    with pa.ipc.new_stream(target, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    data: bytes = target.getvalue().to_pybytes()
    return data
