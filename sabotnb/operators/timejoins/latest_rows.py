"""The right side of an as-of join, as keyed state: of each key the rows that a left row may still need.

Theory of operation. A row counts from its time to the time of the next row of its key in its run (for ``forward``: up
to its own time), so ``until`` says when no left row can need it any more, and ``TimedRows`` drops it. Of several rows
of one key and time only the smallest is kept: by the columns in their order, nulls last, NaN largest. Runs do not know
of each other's rows, so they are merged whenever there are twice as many rows as after the last merge.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.operators.timejoins.row_run import FOREVER, RowRun
from sabotnb.operators.timejoins.timed_rows import TimedRows
from sabotnb.state import sortable

_SPARE = 1 << 13
"""Rows beside those that were kept at the last merge, however few these are."""


class LatestRows(TimedRows):
    """Rows of the right side; ``reach`` is the largest distance behind its time at which a row counts."""

    def __init__(self, schema: pa.Schema, keys: pa.Schema, groups: int, reach: int | None) -> None:
        super().__init__(schema, keys, groups)
        self._reach = reach
        self._kept = 0

    def _append(self, run: RowRun) -> None:
        self.runs.append(run)
        if sum(map(len, self.runs)) > 2 * self._kept + _SPARE:
            self.merge()
            self._kept = sum(map(len, self.runs))

    def _run(
        self,
        rows: pa.RecordBatch,
        times: np.ndarray,
        until: np.ndarray,
        since: np.ndarray,
        settled: np.ndarray | None,
    ) -> RowRun:
        return self._without_ties(super()._run(rows, times, until, since, settled))

    def _merged(self, runs: Sequence[RowRun]) -> RowRun:
        return self._without_ties(super()._merged(runs))

    def _without_ties(self, run: RowRun) -> RowRun:
        self._find_slots([run])
        entries = run.index.entries
        tied = (entries["slot"][1:] == entries["slot"][:-1]) & (entries["time"][1:] == entries["time"][:-1])
        if tied.any():
            places = np.cumsum(~np.append(False, tied))
            kept = run.only(_smallest(run.rows, entries["row"].astype(np.int64), places))
            assert kept is not None
            run, entries = kept, kept.index.entries
        run.until = np.empty(len(run), np.int64)
        run.until[entries["row"]] = self._until(entries)
        return run

    def _until(self, entries: np.ndarray) -> np.ndarray:
        """The last left time for which each entry may be the next one."""
        times = entries["time"]
        ends = np.full(len(times), FOREVER) if self._reach is None else times + self._reach
        follows = entries["slot"][1:] == entries["slot"][:-1]
        ends[:-1][follows] = np.minimum(ends[:-1][follows], times[1:][follows] - 1)
        return ends


def _smallest(rows: pa.RecordBatch, numbers: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Mask of the smallest row of each place; ``places``, ascending, are those of the rows with these numbers."""
    tied = np.flatnonzero(np.isin(places, places[1:][places[1:] == places[:-1]]))
    among = rows.take(pa.array(numbers[tied]))
    columns = {"place": pa.array(places[tied])}
    for number, column in enumerate(among.columns):
        words = sortable(column)
        if words is not None:
            columns[str(number)] = words
    table = pa.table(columns)
    order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in table.column_names]).to_numpy()
    ordered = tied[order]
    firsts = np.append(True, np.diff(places[ordered]) != 0)
    chosen = np.ones(len(places), np.bool_)
    chosen[numbers[tied]] = False
    chosen[numbers[ordered[firsts]]] = True
    return chosen
