"""Rows of a stream of updates as they are now: the last row for each key."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sabotnb.graph import Keys
from sabotnb.native import KeyIndex, canonical


def newest(table: pa.Table, key: Keys | None) -> pa.Table:
    """Return the last row for each value of ``key``, in the order of the last rows; all rows if ``key`` is None.

    An empty ``key`` stands for updates of a single row.
    """
    if key is None or not table.num_rows:
        return table
    if not key:
        return table.slice(table.num_rows - 1)
    columns = [canonical.decoded(table.column(name).combine_chunks()) for name in key]
    slots = KeyIndex([column.type for column in columns]).upsert(columns).slots
    last = np.zeros(int(slots.max()) + 1, np.int64)
    last[slots] = np.arange(len(slots))  # of equal slots the last assignment stays
    return table.take(pa.array(np.sort(last)))
