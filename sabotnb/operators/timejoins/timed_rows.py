"""One side of a join by time, as keyed state: the rows that may still meet partners, in runs.

Theory of operation. Every batch becomes a run (``SortedRun``). Two neighbouring runs are merged when the older one has
at most twice the rows of the newer, so there are few runs and each row is sorted a few times. A probe looks into every
run whose times overlap. As the watermark advances (``expire``), whole runs are dropped; a run of which half of the rows
are not needed any more is copied without them, and so is every run that is merged.

Exported rows have the times and flags beside them. A freeze shares the runs and copies the flags.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sabotnb.native import KeyIndex, empty_batch, hash_rows, key_groups, plain_schema, without_unused
from sabotnb.operators.timejoins.sorted_run import SortedRun
from sabotnb.protocol import MAX_WATERMARK, MIN_WATERMARK
from sabotnb.state import check_group, encoded_as

MARKS = pa.schema({"\0time": pa.int64(), "\0until": pa.int64(), "\0since": pa.int64(), "\0settled": pa.bool_()})
_LARGEST = 1 << 30
"""Bytes of two runs that are not merged: a column of text has room for 2 GiB."""
_EXPORTED = 1 << 15


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
        largest: int = 1 << 40,
    ) -> None:
        """``keys`` are columns of ``schema``, with the plain types in which they are compared.

        Runs of more than ``largest`` rows are not merged.
        """
        self._largest = largest
        self._rows = plain_schema(schema).remove_metadata()
        self._keys = keys
        self._groups = groups
        self._settling = settling
        self._watermark = MIN_WATERMARK
        self.runs: list[SortedRun] = []
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
        since = np.full(batch.num_rows, MIN_WATERMARK) if since is None else since
        self._append(self._run(self._plain(batch), times, until, since, settled))

    @property
    def nothing(self) -> pa.RecordBatch:
        """No rows, with the columns in which rows are stored."""
        return empty_batch(self._rows)

    def oldest(self) -> int:
        """The smallest time of a row that is not settled; MAX_WATERMARK if there is none."""
        return min((run.oldest() for run in self.runs), default=MAX_WATERMARK)

    def due(self, watermark: int) -> Iterator[tuple[SortedRun, np.ndarray]]:
        """Settle the rows that are needed only until before ``watermark``, and yield those that were not settled."""
        for run in list(self.runs):
            rows = run.settle_due(watermark)
            if len(rows):
                yield run, rows

    def expire(self, watermark: int) -> None:
        """Drop the rows that are not needed from ``watermark`` on."""
        self._watermark = max(self._watermark, watermark)
        if any(run.half_needed_until < self._watermark for run in self.runs):
            kept = (self._needed(run) for run in self.runs)
            self.runs = [run for run in kept if run is not None]

    def merge(self) -> None:
        """Merge all runs into one."""
        while len(self.runs) > 1:
            self._merge_last()

    def groups(self) -> Sequence[int]:
        return sorted({int(group) for run in self.runs for group in np.unique(self._groups_in(run))})

    def freeze(self, groups: Sequence[int]) -> FrozenTimedRows:
        return FrozenTimedRows(self.schema, [(run, run.settled.copy(), self._groups_in(run)) for run in self.runs])

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
        kept = (self._only(run, self._groups_in(run) != group) for run in self.runs)
        self.runs = [run for run in kept if run is not None]

    def nbytes(self, group: int) -> int:
        shares = (np.count_nonzero(self._groups_in(run) == group) / len(run) * run.nbytes for run in self.runs)
        return int(sum(shares))

    def size(self) -> tuple[int, int]:
        return 0, sum(run.nbytes for run in self.runs)

    def _run(
        self,
        rows: pa.RecordBatch,
        times: np.ndarray,
        until: np.ndarray,
        since: np.ndarray,
        settled: np.ndarray | None,
        index: KeyIndex | None = None,
    ) -> SortedRun:
        run = SortedRun(rows, self._keys, times, until, since, index)
        if settled is not None:
            run.settled = settled[run.order]
        return run

    def _append(self, run: SortedRun) -> None:
        self.runs.append(run)
        while len(self.runs) > 1 and self._is_mergeable(*self.runs[-2:]):
            self._merge_last()

    def _is_mergeable(self, older: SortedRun, newer: SortedRun) -> bool:
        return len(older) <= min(2 * len(newer), self._largest) and older.nbytes + newer.nbytes < _LARGEST

    def _merge_last(self) -> None:
        """Merge the two newest runs, without the rows that are not needed."""
        pair = [kept for run in self.runs[-2:] if (kept := self._needed(run)) is not None]
        del self.runs[-2:]
        if len(pair) < 2:
            self.runs += pair
            return
        table = pa.Table.from_batches([run.rows for run in pair]).unify_dictionaries().combine_chunks()
        (rows,) = table.to_batches()
        arrays = [
            np.concatenate([getattr(run, name) for run in pair]) for name in ("times", "until", "since", "settled")
        ]
        times, until, since, settled = arrays
        older = pair[0]
        index = older.index if older.index.size() <= 2 * len(older) else None
        self.runs.append(self._run(rows, times, until, since, settled, index))

    def _needed(self, run: SortedRun) -> SortedRun | None:
        """The run without the rows that are not needed; rows that are to be returned stay until then."""
        past = run.until < self._watermark
        gone = past & run.settled if self._settling.returned else past
        if self._settling.dropped:
            gone |= run.settled
        return self._only(run, ~gone)

    def _only(self, run: SortedRun, chosen: np.ndarray) -> SortedRun | None:
        if chosen.all():
            return run
        if not chosen.any():
            return None
        rows = run.rows.filter(pa.array(chosen))
        return self._run(rows, run.times[chosen], run.until[chosen], run.since[chosen], run.settled[chosen])

    def _plain(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if batch.schema.equals(self._rows):
            return batch
        arrays = [encoded_as(column, field.type) for column, field in zip(batch.columns, self._rows, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=self._rows)

    def _groups_in(self, run: SortedRun) -> np.ndarray:
        return self._groups_of(run.rows)

    def _groups_of(self, rows: pa.RecordBatch) -> np.ndarray:
        columns = [rows.column(name) for name in self._keys.names]
        found: np.ndarray = key_groups(hash_rows(columns), self._groups).to_numpy()
        return found


class FrozenTimedRows:
    """The rows when they were frozen; may be read from any thread."""

    def __init__(self, schema: pa.Schema, runs: Sequence[tuple[SortedRun, np.ndarray, np.ndarray]]) -> None:
        self._schema = schema
        self._runs = runs

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The rows of ``group`` with their times and flags."""
        for run, settled, groups in self._runs:
            numbers = np.flatnonzero(groups == group)
            for start in range(0, len(numbers), _EXPORTED):
                part = numbers[start : start + _EXPORTED]
                marks = [pa.array(marks[part]) for marks in (run.times, run.until, run.since, settled)]
                columns = [*map(without_unused, run.rows.take(pa.array(part)).columns), *marks]
                yield pa.RecordBatch.from_arrays(columns, schema=self._schema)
