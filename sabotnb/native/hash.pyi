"""Hash rows, and map hashes to key groups."""

from collections.abc import Sequence

import pyarrow as pa

HASH_VERSION: int
"""Version of the hash that ``_hash.pxd`` defines."""

def hash_rows(columns: Sequence[pa.Array]) -> pa.UInt64Array:
    """Hash each row over ``columns`` (equal lengths, in order) to 64 bits; the GIL is released.

    The hash is stable over processes, releases and the Arrow types of one value (see ``_hash.pxd``). The result has no
    nulls.

    Raises:
        TypeMismatch: a list, struct, map, union, run-end encoded or interval column, or not an array.
        ValueError: no column, or columns of different lengths.
    """

def key_groups(hashes: pa.UInt64Array, groups: int) -> pa.UInt16Array:
    """The key group of each hash: ``((hash >> 32) * groups) >> 32``, with 1 <= ``groups`` <= 65536."""
