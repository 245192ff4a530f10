"""The open sessions of all keys, as keyed state.

Theory of operation. A session is a header (key, first time, last time, entry) and state rows of the verb, which carry
the number of their header. Rows of a batch are sorted by key and entry and cut into sessions; each batch so becomes a
*run* of sessions. Runs are merged when they hold as many sessions as the merged one, or when a session may be complete:
all headers are sorted by key and entry, and cut in the same way. So every session is sorted a few times, not once per
batch, and nothing has to be erased from an index.

*Which rows share a session* depends on their times and clocks alone. The *entry* of a row is its time, or its clock if
that is later: the instant of event time at which the row comes. In the order of entries, a row joins the session of its
key that is open then, if the largest time before + ``gap`` is after its entry; otherwise that session has ended by the
clock of the row, which begins another. A row is not late, so its time is after its clock - ``gap``: at any instant one
session of a key is open, and the row is less than ``gap`` from one of its rows. The entry of a session is that of its
first row. Two sessions with rows of several batches are one under the same condition.

A session that has been returned gets no more rows: watermark W promises that later rows have entries of at least W.

Each merge numbers the sessions again; state rows are merged by loading them into one state of the verb whose key is
the number.

Runs are not divided by key group, and no run ever changes. So a freeze keeps the runs, an export divides each run once
for all groups, and the store names all groups if it has any session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import pyarrow as pa

from sabotnb.native import KeyIndex, canonical, hash_rows, key_groups, rows_by_key
from sabotnb.operators.group_states import GroupState
from sabotnb.operators.windows.divided_rows import DividedRows, divided
from sabotnb.operators.windows.numbered_windows import NUMBER
from sabotnb.state import check_group

FIRST, LAST, ENTRY = "\0first", "\0last", "\0entry"
MIN_RUN = 1 << 16
"""Sessions in runs that are not merged yet, from which on they are."""


def key_name(key: str) -> str:
    """The column of exported rows that has the values of a key."""
    return f"\0key {key}"


@dataclass(frozen=True, slots=True)
class Run:
    """Sessions: their keys, times and entries by number, and the state rows that carry these numbers.

    ``joined``: no two of them are connected. Loaded rows are not joined: several may be of one session.
    """

    keys: pa.RecordBatch
    first: np.ndarray
    last: np.ndarray
    entry: np.ndarray
    rows: tuple[pa.RecordBatch, ...]
    joined: bool = True

    def __len__(self) -> int:
        return len(self.first)

    def split(self, chosen: np.ndarray) -> tuple[Run, Run]:
        """The sessions that the mask chooses, and the others."""
        return self._only(chosen), self._only(~chosen)

    def _only(self, chosen: np.ndarray) -> Run:
        numbers = np.cumsum(chosen) - 1
        rows = []
        for batch in self.rows:
            old = batch.column(NUMBER).to_numpy()
            mask = chosen[old]
            if mask.any():
                rows.append(renumbered(batch.filter(pa.array(mask)), numbers[old[mask]]))
        keys = _taken(self.keys, np.flatnonzero(chosen))
        return Run(keys, self.first[chosen], self.last[chosen], self.entry[chosen], tuple(rows), self.joined)


def renumbered(batch: pa.RecordBatch, numbers: np.ndarray) -> pa.RecordBatch:
    """State rows with other session numbers."""
    place = batch.schema.get_field_index(NUMBER)
    return batch.set_column(place, batch.schema.field(place), pa.array(numbers, pa.int64()))


class SessionStore:
    """Open sessions by key. Implements ``protocol.KeyedState``."""

    def __init__(self, make: Callable[[], GroupState], keys: pa.Schema, gap: int, groups: int) -> None:
        """``make`` returns an empty state of the verb, keyed by ``NUMBER``, with one key group."""
        self._make = make
        self._keys = pa.schema([field.with_type(canonical.plain_type(field.type)) for field in keys])
        self._gap = gap
        self._groups = groups if len(keys) else 1
        self._runs: list[Run] = []
        state = [field for field in make().keyed.schema if field.name != NUMBER]
        times = [pa.field(name, pa.int64()) for name in (FIRST, LAST, ENTRY)]
        self.schema = pa.schema([*(field.with_name(key_name(field.name)) for field in self._keys), *times, *state])

    def add(self, batch: pa.RecordBatch, times: np.ndarray, entries: np.ndarray) -> None:
        """Add rows of the operator's input, with their event times and entries in microseconds."""
        keys = [canonical.decoded(batch.column(name)) for name in self._keys.names]
        headers, numbers = self._cut(keys, times, times, entries)
        state = self._make()
        state.add(batch.append_column(NUMBER, pa.array(numbers)))
        self._append(replace(headers, rows=tuple(state.keyed.export(0))))

    def take_complete(self, us: int) -> Run | None:
        """Remove and return the sessions that end by ``us``; None if there are none."""
        if not any(int(run.last.min()) + self._gap <= us for run in self._runs):
            return None
        merged = self._merge()
        complete, rest = merged.split(merged.last + self._gap <= us)
        self._runs = [rest] if len(rest) else []
        return complete if len(complete) else None

    def first_end(self) -> int | None:
        """The time at which the next session ends, unless it grows; None if there are none."""
        return min((int(run.last.min()) + self._gap for run in self._runs), default=None)

    def sessions(self) -> int:
        """The number of sessions."""
        self._runs = [self._merge()] if self._runs else []
        return sum(map(len, self._runs))

    def results(self, run: Run) -> Iterator[pa.RecordBatch]:
        """The verb's results of the sessions of a run; ``NUMBER`` says of which."""
        state = self._make()
        state.keyed.load(0, run.rows)
        return state.results()

    def groups(self) -> Sequence[int]:
        return range(self._groups) if self._runs else ()

    def freeze(self, groups: Sequence[int]) -> FrozenSessions:
        return FrozenSessions(self.schema, tuple(self._runs), self._groups_in, self._groups)

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        return self.freeze([group]).export(group)

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        for batch in batches:
            columns = batch.columns[: len(self._keys)]
            keys = pa.RecordBatch.from_arrays(columns, schema=self._keys)
            check_group(group, np.unique(self._groups_of(keys, batch.num_rows)).tolist())
            first, last, entry = (batch.column(name).to_numpy() for name in (FIRST, LAST, ENTRY))
            state = batch.select(batch.schema.names[len(self._keys) + 3 :])
            numbers = pa.array(np.arange(batch.num_rows), pa.int64())
            named = {**dict(zip(state.schema.names, state.columns, strict=True)), NUMBER: numbers}
            schema = self._make().keyed.schema
            rows = pa.RecordBatch.from_arrays([named[name] for name in schema.names], schema=schema)
            self._append(Run(keys, first, last, entry, (rows,), joined=False))

    def drop(self, group: int) -> None:
        kept = [run.split(self._groups_in(run) != group)[0] for run in self._runs]
        self._runs = [run for run in kept if len(run)]

    def nbytes(self, group: int) -> int:
        return self.size()[1] // self._groups

    def size(self) -> tuple[int, int]:
        return sum(map(len, self._runs)), sum(map(_nbytes, self._runs))

    def _append(self, run: Run) -> None:
        if not len(run):
            return
        self._runs.append(run)
        if sum(map(len, self._runs[1:])) > max(MIN_RUN, len(self._runs[0])):
            self._runs = [self._merge()]

    def _merge(self) -> Run:
        """All sessions in one run, sorted by key and time; those that are connected are joined."""
        if len(self._runs) == 1 and self._runs[0].joined:
            return self._runs[0]
        keys = _side_by_side([run.keys for run in self._runs]).columns
        first, last, entry = (
            np.concatenate(times)
            for times in zip(*((run.first, run.last, run.entry) for run in self._runs), strict=True)
        )
        headers, numbers = self._cut(keys, first, last, entry)
        state, offset = self._make(), 0
        for run in self._runs:
            for rows in run.rows:
                state.keyed.load(0, [renumbered(rows, numbers[offset + rows.column(NUMBER).to_numpy()])])
            offset += len(run)
        return replace(headers, rows=tuple(state.keyed.export(0)))

    def _cut(
        self, keys: Sequence[pa.Array], first: np.ndarray, last: np.ndarray, entry: np.ndarray
    ) -> tuple[Run, np.ndarray]:
        """Cut rows, or sessions, into sessions: these without state rows, and the number of the session of each."""
        order, begins = self._order(keys, entry)
        first, last, entry = first[order], last[order], entry[order]
        begins[1:] |= entry[1:] - running_maximum(last, begins)[:-1] >= self._gap
        starts = np.flatnonzero(begins)
        numbers = np.empty(len(order), np.int64)
        numbers[order] = np.cumsum(begins) - 1
        taken = [column.take(pa.array(order[starts])) for column in keys]
        times = np.minimum.reduceat(first, starts), np.maximum.reduceat(last, starts), entry[starts]
        return Run(pa.RecordBatch.from_arrays(taken, schema=self._keys), *times, ()), numbers

    def _order(self, keys: Sequence[pa.Array], entry: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers sorted by key and entry, and a mask of those with which a key begins."""
        order = None if (entry[1:] >= entry[:-1]).all() else np.argsort(entry, kind="stable")
        begins = np.zeros(len(entry), np.bool_)
        begins[:1] = True
        if not keys:
            return np.arange(len(entry)) if order is None else order, begins
        slots = KeyIndex(self._keys.types, 1).upsert(keys).slots
        slots = slots if order is None else slots[order]
        by_key = rows_by_key(np.zeros(len(slots), np.uint16), slots)
        of_key = slots[by_key]
        begins[1:] = of_key[1:] != of_key[:-1]
        return by_key if order is None else order[by_key], begins

    def _groups_in(self, run: Run) -> np.ndarray:
        return self._groups_of(run.keys, len(run))

    def _groups_of(self, keys: pa.RecordBatch, rows: int) -> np.ndarray:
        if self._groups == 1:
            return np.zeros(rows, np.uint16)
        found: np.ndarray = key_groups(hash_rows(keys.columns), self._groups).to_numpy()
        return found


def running_maximum(values: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """The largest value up to each row, since the last row where ``begins`` is true."""
    if (begins[1:] | (values[1:] >= values[:-1])).all():
        return values
    low = values.min()
    span = int(values.max()) - int(low) + 1
    runs = np.cumsum(begins)
    if span * int(runs[-1]) < 2**62:  # shift each run above the one before, so that one pass does for all
        shift = runs * span
        found: np.ndarray = np.maximum.accumulate(values - low + shift) - shift + low
        return found
    bounds = np.append(np.flatnonzero(begins), len(values))
    return np.concatenate([np.maximum.accumulate(values[a:b]) for a, b in pairwise(bounds)])


def _taken(keys: pa.RecordBatch, rows: np.ndarray) -> pa.RecordBatch:
    return keys.take(pa.array(rows)) if keys.num_columns else keys


def _side_by_side(keys: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    return pa.concat_batches(keys) if keys[0].num_columns else keys[0]


def _nbytes(run: Run) -> int:
    times = run.first.nbytes + run.last.nbytes + run.entry.nbytes
    return int(run.keys.nbytes + times + sum(batch.nbytes for batch in run.rows))


class FrozenSessions:
    """The sessions when they were frozen; may be read from any thread."""

    def __init__(
        self, schema: pa.Schema, runs: Sequence[Run], groups_in: Callable[[Run], np.ndarray], groups: int
    ) -> None:
        self._schema = schema
        self._runs = runs
        self._groups_in = groups_in
        self._groups = groups

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The sessions of ``group``, each with its key and times beside its state rows."""
        return (rows for piece in self._divided if (rows := piece.of(group)) is not None)

    @cached_property
    def _divided(self) -> list[DividedRows]:
        pieces = []
        for run in self._runs:
            of_run = self._groups_in(run)
            for rows in run.rows:
                numbers = rows.column(NUMBER).to_numpy()
                state = [column for name, column in zip(rows.schema.names, rows.columns, strict=True) if name != NUMBER]
                times = [pa.array(values[numbers]) for values in (run.first, run.last, run.entry)]
                columns = [*_taken(run.keys, numbers).columns, *times, *state]
                batch = pa.RecordBatch.from_arrays(columns, schema=self._schema)
                pieces.append(divided(batch, of_run[numbers], self._groups))
        return pieces
