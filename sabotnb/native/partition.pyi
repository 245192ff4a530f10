"""Split batches into partitions, by the hash of key columns or by given destinations."""

from collections.abc import Sequence

import pyarrow as pa

def partition(
    batch: pa.RecordBatch, keys: Sequence[int], table: pa.UInt16Array, partitions: int
) -> list[pa.RecordBatch | None]:
    """Split ``batch`` by the key group of its key columns: ``table[group]`` is the partition of a row.

    ``keys`` are column positions; ``len(table)`` is the number of key groups. Rows of a partition keep their order; a
    partition without rows is None. Partitions are slices of one permuted copy (the batch itself if it is not
    divided), so each keeps the memory of all alive. Dictionary columns keep their dictionary. The GIL is released.

    Raises:
        TypeMismatch: a key column that cannot be hashed, or a table that is not uint16.
        ValueError: the table names a partition >= ``partitions``.
    """

def scatter(batch: pa.RecordBatch, destinations: pa.UInt16Array, partitions: int) -> list[pa.RecordBatch | None]:
    """Split ``batch``: row i goes to partition ``destinations[i]``. Otherwise as ``partition``.

    Raises:
        ValueError: a destination >= ``partitions``, or not one per row.
    """
