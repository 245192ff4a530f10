"""One side of a join by time, as keyed state: the rows that may still meet partners, in runs.

Theory of operation. A batch becomes a run (``RowRun``), which is not sorted before a probe meets it. All runs share
one key index. It gets the keys of a run with the first probe, and starts again when it has many keys that no row has
any more.

A probe looks into every run whose times overlap (``meet``). Each run counts what its probes have cost. When those of
the newest runs have cost more than merging these runs would, they are merged: so the work of merging is at most about
that of probing, and rows that no probe meets are not merged at all. Runs of few rows are merged when they are added,
as each run costs something at every watermark.

As the watermark advances (``expire``), whole runs are dropped; a run of which half of the rows are not needed any more
is copied without them, and so is every run that is merged.

Exported rows have the times and flags beside them. A freeze shares the runs and copies the flags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from sabotnb.native import (
    KeyIndex,
    compact,
    empty_batch,
    hash_rows,
    key_groups,
    own_bytes,
    plain_schema,
    without_unused,
)
from sabotnb.operators.timejoins.row_run import RowRun
from sabotnb.protocol import MAX_WATERMARK, MIN_WATERMARK
from sabotnb.state import check_group, compared, encoded_as

MARKS = pa.schema({"\0time": pa.int64(), "\0until": pa.int64(), "\0since": pa.int64(), "\0settled": pa.bool_()})
_LARGEST = 1 << 30
"""Bytes of two runs that are not merged: a column of text has room for 2 GiB."""
_EXPORTED = 1 << 15
_SMALL = 1 << 13
"""Rows of runs that are merged when they are added."""
_MANY = 64
"""Runs from which on larger ones are merged, too, when they are added."""
_PER_PROBE = 2000
"""What a probe of a run costs beside its rows, in rows."""
_PER_ROW = 3
"""What it costs to merge and sort a row, in probes."""
_IDLE_KEYS = 1 << 16
"""Keys of an index that no row needs to have, however few rows there are."""


@dataclass(frozen=True, slots=True)
class Settling:
    """What becomes of settled rows.

    ``tracked``: somebody asks for rows that are not settled. ``returned``: these leave before they are dropped.
    ``dropped``: settled rows are needed no more.
    """

    tracked: bool = False
    returned: bool = False
    dropped: bool = False


NO_SETTLING = Settling()


class TimedRows:
    """Rows by key and time. Implements ``protocol.KeyedState``."""

    def __init__(
        self,
        schema: pa.Schema,
        keys: pa.Schema,
        groups: int,
        settling: Settling = NO_SETTLING,
    ) -> None:
        """``keys`` are columns of ``schema``, with the plain types in which they are compared."""
        self._rows = plain_schema(schema).remove_metadata()
        self._keys = keys
        self._groups = groups
        self._settling = settling
        self._watermark = MIN_WATERMARK
        self._index = KeyIndex(keys.types, 1)
        self.runs: list[RowRun] = []
        self.schema = pa.schema([*self._rows, *MARKS])

    def add(
        self,
        batch: pa.RecordBatch,
        times: np.ndarray,
        until: np.ndarray,
        since: np.ndarray | None = None,
        settled: np.ndarray | None = None,
    ) -> None:
        """Store rows whose keys are not null; ``times``, ``until`` and ``since`` are microseconds."""
        if not batch.num_rows:
            return
        if since is None:
            since = np.broadcast_to(np.int64(MIN_WATERMARK), batch.num_rows)
        rows = self._plain(batch)
        self._append(self._run(compact(rows, own_bytes(rows)), times, until, since, settled))

    def meet(self, keys: Sequence[pa.Array], low: np.ndarray, high: np.ndarray) -> list[tuple[RowRun, np.ndarray]]:
        """The runs that may have rows with these keys, from ``low`` to ``high``; and the slots of the keys.

        ``keys`` have no nulls.
        """
        earliest, latest = int(low.min()), int(high.max())
        met = self._overlapping(earliest, latest)
        if len(met) > 1:
            for run in met:
                run.probed += len(low) + _PER_PROBE
            if self._merge_probed():
                met = self._overlapping(earliest, latest)
        if not met:
            return []
        self._find_slots(met)
        slots = self._index.find(keys).slots
        return [(run, slots) for run in met]

    @property
    def nothing(self) -> pa.RecordBatch:
        """No rows, with the columns in which rows are stored."""
        return empty_batch(self._rows)

    def oldest(self) -> int:
        """The smallest time of a row that is not settled; MAX_WATERMARK if there is none."""
        return min((run.oldest() for run in self.runs), default=MAX_WATERMARK)

    def unsettled(self) -> int:
        """The number of rows that are not settled."""
        return sum(int(np.count_nonzero(~run.settled)) for run in self.runs)

    def due(self, watermark: int) -> Iterator[tuple[RowRun, np.ndarray]]:
        """Settle the rows that are needed only until before ``watermark``, and yield those that were not settled."""
        for run in list(self.runs):
            rows = run.settle_due(watermark)
            if len(rows):
                yield run, rows

    def expire(self, watermark: int) -> None:
        """Drop the rows that are not needed from ``watermark`` on."""
        self._watermark = max(self._watermark, watermark)
        if any(run.half_needed_until < self._watermark for run in self.runs):
            kept = [self._needed(run) if run.half_needed_until < self._watermark else run for run in self.runs]
            self.runs = [run for run in kept if run is not None]

    def merge(self) -> None:
        """Merge all runs into one."""
        self._merge_from(0)

    def groups(self) -> Sequence[int]:
        return sorted(set().union(*(self._present(run) for run in self.runs)))

    def freeze(self, groups: Sequence[int]) -> FrozenTimedRows:
        return FrozenTimedRows(self.schema, [(run, run.settled.copy()) for run in self.runs], self._groups_in)

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        return self.freeze([group]).export(group)

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        for batch in batches:
            rows = batch.select(self._rows.names)
            check_group(group, np.unique(self._groups_of(rows)).tolist())
            times, until, since = (batch.column(name).to_numpy() for name in MARKS.names[:3])
            settled = batch.column(MARKS.names[3]).to_numpy(zero_copy_only=False)
            self._append(self._run(rows, times, until, since, settled))

    def drop(self, group: int) -> None:
        kept = (run.only(self._groups_in(run) != group) for run in self.runs)
        self.runs = [run for run in kept if run is not None]

    def nbytes(self, group: int) -> int:
        shares = (np.count_nonzero(self._groups_in(run) == group) / len(run) * run.nbytes for run in self.runs)
        return int(sum(shares))

    def size(self) -> tuple[int, int]:
        return 0, sum(run.nbytes for run in self.runs) + int(self._index.nbytes())

    def _run(
        self,
        rows: pa.RecordBatch,
        times: np.ndarray,
        until: np.ndarray,
        since: np.ndarray,
        settled: np.ndarray | None,
    ) -> RowRun:
        return RowRun(rows, times, until, since, settled)

    def _append(self, run: RowRun) -> None:
        self.runs.append(run)
        while len(self.runs) > 1 and self._is_mergeable(*self.runs[-2:]):
            self._merge_from(len(self.runs) - 2)

    def _is_mergeable(self, older: RowRun, newer: RowRun) -> bool:
        is_small = len(older) + len(newer) <= _SMALL or len(self.runs) > _MANY
        return is_small and len(older) <= 2 * len(newer) and older.nbytes + newer.nbytes < _LARGEST

    def _overlapping(self, earliest: int, latest: int) -> list[RowRun]:
        return [run for run in self.runs if run.first <= latest and run.last >= earliest]

    def _merge_probed(self) -> bool:
        """Merge the newest runs if probes of them have cost more than that; as many runs as possible."""
        rows = nbytes = paid = most = 0
        start = len(self.runs)
        for number in range(len(self.runs) - 1, -1, -1):
            run = self.runs[number]
            rows, nbytes = rows + len(run), nbytes + run.nbytes
            paid, most = paid + run.probed, max(most, run.probed)
            if nbytes >= _LARGEST:
                break
            if paid - most >= _PER_ROW * rows:  # one of them would have been probed in any case
                start = number
        if len(self.runs) - start < 2:
            return False
        self._merge_from(start)
        return True

    def _merge_from(self, start: int) -> None:
        """Merge the runs from ``start`` on, without the rows that are not needed."""
        kept = [run for run in map(self._needed, self.runs[start:]) if run is not None]
        self.runs[start:] = [self._merged(kept)] if len(kept) > 1 else kept

    def _merged(self, runs: Sequence[RowRun]) -> RowRun:
        return RowRun.merged(runs)

    def _find_slots(self, runs: Sequence[RowRun]) -> None:
        """Add the keys of these runs to the index, which starts again if most of its keys are of no row."""
        indexed = sum(len(run) for run in self.runs if run.slots is not None)
        if self._index.size() > 2 * indexed + _IDLE_KEYS:
            self._index = KeyIndex(self._keys.types, 1)
            for run in self.runs:
                run.forget_slots()
        for run in runs:
            if run.slots is None:
                columns = [compared(run.rows.column(field.name), field.type) for field in self._keys]
                run.slots = self._index.upsert(columns).slots

    def _needed(self, run: RowRun) -> RowRun | None:
        """The run without the rows that are not needed; rows that are to be returned stay until then."""
        past = run.until < self._watermark
        gone = past & run.settled if self._settling.returned else past
        if self._settling.dropped:
            gone = gone | run.settled
        return run.only(~gone)

    def _plain(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if batch.schema.equals(self._rows):
            return batch
        arrays = [encoded_as(column, field.type) for column, field in zip(batch.columns, self._rows, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=self._rows)

    def _present(self, run: RowRun) -> frozenset[int]:
        """The key groups that have rows in a run; computed once, as every cut asks."""
        if run.present is None:
            run.present = frozenset(np.flatnonzero(np.bincount(self._groups_in(run))).tolist())
        return run.present

    def _groups_in(self, run: RowRun) -> np.ndarray:
        if run.groups is None:
            run.groups = self._groups_of(run.rows)
        return run.groups

    def _groups_of(self, rows: pa.RecordBatch) -> np.ndarray:
        columns = [rows.column(name) for name in self._keys.names]
        found: np.ndarray = key_groups(hash_rows(columns), self._groups).to_numpy()
        return found


class FrozenTimedRows:
    """The rows when they were frozen; may be read from any thread."""

    def __init__(
        self,
        schema: pa.Schema,
        runs: Sequence[tuple[RowRun, np.ndarray]],
        groups_in: Callable[[RowRun], np.ndarray],
    ) -> None:
        """Keep runs and their flags; ``groups_in`` returns the key groups of the rows of a run."""
        self._schema = schema
        self._runs = runs
        self._groups_in = groups_in

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The rows of ``group`` with their times and flags."""
        for (run, settled), (order, groups) in zip(self._runs, self._divided, strict=True):
            first, last = np.searchsorted(groups, (group, group + 1))
            numbers = order[first:last]
            for start in range(0, len(numbers), _EXPORTED):
                part = numbers[start : start + _EXPORTED]
                marks = [pa.array(marks[part]) for marks in (run.times, run.until, run.since, settled)]
                columns = [*map(without_unused, run.rows.take(pa.array(part)).columns), *marks]
                yield pa.RecordBatch.from_arrays(columns, schema=self._schema)

    @cached_property
    def _divided(self) -> Sequence[tuple[np.ndarray, np.ndarray]]:
        """Of each run the numbers of its rows sorted by key group, and these groups: once for all groups."""
        groups = [self._groups_in(run) for run, _ in self._runs]
        orders = [np.argsort(of, kind="stable") for of in groups]
        return [(order, of[order]) for order, of in zip(orders, groups, strict=True)]
