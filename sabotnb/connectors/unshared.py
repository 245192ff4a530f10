"""Tables that nobody changes any more: columns in memory that NumPy may write to are copied.

Only columns of a fixed width can lie in NumPy's memory. Copying takes about a tenth of the time in which a table is
hashed, and as much memory as those columns have.
"""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
from pyarrow import types as t


def unshared(table: pa.Table, columns: Collection[str]) -> pa.Table:
    """``table`` with copies of ``columns``."""
    for at, name in enumerate(table.schema.names):
        if name in columns:
            chunks = [chunk.copy_to(pa.default_cpu_memory_manager()) for chunk in table.column(at).chunks]
            table = table.set_column(at, table.field(at), pa.chunked_array(chunks, table.field(at).type))
    return table


def maybe_of_numpy(table: pa.Table) -> frozenset[str]:
    """Columns that Arrow may have taken over from NumPy as they are: of a fixed width, writable, without nulls."""
    return frozenset(
        field.name
        for field, column in zip(table.schema, table.columns, strict=True)
        if any(map(_shared, column.chunks))
    )


def _shared(chunk: pa.Array) -> bool:
    if not t.is_primitive(chunk.type) or t.is_boolean(chunk.type):
        return False
    valid, values = chunk.buffers()
    return valid is None and values is not None and values.is_mutable
