"""The right side of an as-of join, as keyed state: of each key the rows that a left row may still need.

Theory of operation. A row counts from its time to the time of the next row of its key (for ``forward``: up to its own
time), so ``until`` says when no left row can need it any more, and ``TimedRows`` drops it. Of several rows of one key
and time only the smallest is kept: by the columns in their order, nulls last, NaN largest.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.native import KeyIndex
from sabotnb.operators.timejoins.sorted_run import FOREVER, SortedRun
from sabotnb.operators.timejoins.timed_rows import TimedRows
from sabotnb.state import sortable


class LatestRows(TimedRows):
    """Rows of the right side; ``reach`` is the largest distance behind its time at which a row counts."""

    def __init__(self, schema: pa.Schema, keys: pa.Schema, groups: int, reach: int | None) -> None:
        super().__init__(schema, keys, groups)
        self._reach = reach

    def _run(
        self,
        rows: pa.RecordBatch,
        times: np.ndarray,
        until: np.ndarray,
        since: np.ndarray,
        settled: np.ndarray | None,
        index: KeyIndex | None = None,
    ) -> SortedRun:
        run = super()._run(rows, times, until, since, settled, index)
        same = run.same_place()
        if same.any():
            chosen = _smallest(run.rows, np.cumsum(~same))
            rows = run.rows.take(pa.array(chosen))
            run = super()._run(rows, run.times[chosen], run.until[chosen], run.since[chosen], None)
        run.until = self._until(run)
        return run

    def _until(self, run: SortedRun) -> np.ndarray:
        """The last left time for which each row may be the next one."""
        ends = np.full(len(run), FOREVER) if self._reach is None else run.times + self._reach
        follows = run.slots[1:] == run.slots[:-1]
        ends[:-1][follows] = np.minimum(ends[:-1][follows], run.times[1:][follows] - 1)
        return ends


def _smallest(rows: pa.RecordBatch, places: np.ndarray) -> np.ndarray:
    """The number of the smallest row of each place; ``places`` are ascending."""
    tied = np.flatnonzero(np.isin(places, places[1:][places[1:] == places[:-1]]))
    among = rows.take(pa.array(tied))
    columns = {"place": pa.array(places[tied])}
    for number, column in enumerate(among.columns):
        words = sortable(column)
        if words is not None:
            columns[str(number)] = words
    table = pa.table(columns)
    order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in table.column_names]).to_numpy()
    ordered = tied[order]
    firsts = np.append(True, np.diff(places[ordered]) != 0)
    kept = np.ones(len(places), np.bool_)
    kept[tied] = False
    kept[ordered[firsts]] = True
    return np.flatnonzero(kept)
