"""Exported rows of one batch, sorted by key group: divided once for the exports of all groups."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sabotnb.operators.encoding import taken


class DividedRows(NamedTuple):
    """The rows of key group g are those from ``starts[g]`` to ``starts[g + 1]``."""

    batch: pa.RecordBatch
    starts: list[int]

    def of(self, group: int) -> pa.RecordBatch | None:
        """The rows of a group, not copied; None if there are none."""
        start, stop = self.starts[group : group + 2]
        return self.batch.slice(start, stop - start) if start < stop else None


def divided(batch: pa.RecordBatch, groups: np.ndarray, count: int) -> DividedRows:
    """Sort rows by their key groups, of which there are ``count``; rows of a group keep their order."""
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], np.arange(count + 1)).tolist()
    return DividedRows(batch if count == 1 else taken(batch, order), starts)
