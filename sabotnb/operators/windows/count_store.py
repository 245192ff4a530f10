"""The rows of count windows that are not complete, as keyed state.

Theory of operation. Rows of a key are counted in the order of their arrival, from 0, and each is stored with its number
among them. Windows end after every ``every`` rows, so ``count % every`` says how far the next one is. A key whose rows
are all used up has a count that divides by ``every``; it can be removed, and starts from 0 again.

Rows are stored in order of arrival for all keys together. Beside them are the slot of each row's key and its number,
as arrays. When windows are complete, their rows are found by one pass over these arrays; what no later window needs is
removed when it is more than the rest, so each row is copied a few times at most. Slots, counts and arrays follow from
the stored rows: after groups were loaded or dropped they are computed from them when they are next needed, once for all
groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sabotnb.native import KeyIndex, canonical, rows_by_key
from sabotnb.protocol import Frozen
from sabotnb.state import GroupedBatches, GroupedRows

POSITION = "\0position"
"""The column of stored rows that has the number of a row among those of its key."""

MAX_POSITION = np.iinfo(np.int64).max

MIN_REMOVED = 1 << 14
"""Rows that are not needed any more are removed when they are more than this, and more than the others."""


@dataclass(frozen=True, slots=True)
class CompleteWindows:
    """Windows in the order in which they were completed: window i has the rows ``numbers[starts[i]:stops[i]]``."""

    rows: GroupedBatches
    numbers: np.ndarray
    starts: np.ndarray
    stops: np.ndarray


class CountStore:
    """Stores the rows of ``schema`` that windows of ``n`` rows still need. Implements ``protocol.KeyedState``."""

    def __init__(self, schema: pa.Schema, keys: Sequence[str], n: int, every: int, groups: int) -> None:
        self._stored = schema.append(pa.field(POSITION, pa.int64()))
        self._keys = list(keys)
        self._n = n
        self._every = every
        self._groups = groups
        self._types = [canonical.plain_type(schema.field(key).type) for key in keys]
        self._rows = self._empty()
        self.schema = self._rows.schema
        self._slots: list[np.ndarray] = []
        self._positions: list[np.ndarray] = []
        self._moved = False
        self._restart()

    def add(self, batch: pa.RecordBatch) -> CompleteWindows | None:
        """Add rows, and return the windows that are complete with them; None if there are none."""
        self._recount_moved()
        slots = self._slots_of([batch.column(name) for name in self._keys], batch.num_rows)
        positions = self._counts[slots] + ranks(slots)
        np.maximum.at(self._counts, slots, positions + 1)
        self._rows.add(batch.append_column(POSITION, pa.array(positions)))
        self._slots.append(slots)
        self._positions.append(positions)
        ends = (positions + 1) % self._every == 0
        if not ends.any():
            return None
        windows = self._windows(slots[ends], positions[ends] + 1)
        self._remove_used()
        return windows

    def rest(self) -> CompleteWindows | None:
        """The windows that have rows and are not complete, at the end of the input; None if there are none."""
        self._recount_moved()
        open_slots = np.flatnonzero(self._counts % self._every)
        if not len(open_slots):
            return None
        return self._windows(open_slots, (self._counts[open_slots] // self._every + 1) * self._every)

    def clear(self) -> None:
        """Remove all rows."""
        self._rows = self._empty()
        self._restart()

    def groups(self) -> Sequence[int]:
        return self._rows.groups()

    def freeze(self, groups: Sequence[int]) -> Frozen:
        return self._rows.freeze(groups)

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        return self._rows.export(group)

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        self._rows.load(group, batches)
        self._moved = True

    def drop(self, group: int) -> None:
        self._rows.drop(group)
        self._moved = True

    def nbytes(self, group: int) -> int:
        return self._rows.nbytes(group)

    def size(self) -> tuple[int, int]:
        self._recount_moved()
        beside = sum(part.nbytes for parts in (self._slots, self._positions) for part in parts)
        return self._key_count(), self._rows.size()[1] + self._counts.nbytes + beside

    def _windows(self, slots: np.ndarray, ends: np.ndarray) -> CompleteWindows:
        """The windows of the keys in ``slots`` that end behind row number ``ends``."""
        all_slots, positions = self._joined()
        chosen = np.zeros(len(self._counts), np.bool_)
        chosen[slots] = True
        numbers = np.flatnonzero(chosen[all_slots])
        numbers = numbers[by_slot(all_slots[numbers])]
        of_key = all_slots[numbers]
        begins = np.flatnonzero(np.append(True, of_key[1:] != of_key[:-1]))
        first = positions[numbers[begins]]
        key = np.searchsorted(of_key[begins], slots)
        origin = begins[key] - first[key]
        starts = origin + np.maximum(ends - self._n, first[key])
        return CompleteWindows(self._rows.joined(), numbers, starts, origin + np.minimum(ends, self._counts[slots]))

    def _remove_used(self) -> None:
        """Remove the rows that no later window has, if they are many."""
        slots, positions = self._joined()
        needed = positions >= (self._counts[slots] // self._every + 1) * self._every - self._n
        used = len(needed) - int(np.count_nonzero(needed))
        if used > max(MIN_REMOVED, len(needed) - used):
            rows, self._rows = self._rows, self._empty()
            if needed.any():
                self._rows.add(rows.joined().take(np.flatnonzero(needed)))
            self._recount()

    def _recount_moved(self) -> None:
        if self._moved:
            self._recount()

    def _recount(self) -> None:
        """Compute slots, positions and counts from the stored rows."""
        self._restart()
        for piece in self._rows.joined().pieces:
            self._slots.append(self._slots_of([piece.batch.column(name) for name in self._keys], piece.rows))
            self._positions.append(piece.batch.column(POSITION).to_numpy())
        if not self._slots:
            return
        slots, stored = self._joined()
        first = np.full(len(self._counts), MAX_POSITION)
        np.minimum.at(first, slots, stored)
        self._positions = [first[slots] + ranks(slots)]  # a key that was there before it was loaded has numbers twice
        np.maximum.at(self._counts, slots, self._positions[0] + 1)

    def _restart(self) -> None:
        self._moved = False
        self._index = KeyIndex(self._types, 1) if self._keys else None
        self._counts = np.zeros(0, np.int64)
        self._slots = []
        self._positions = []

    def _slots_of(self, keys: Sequence[pa.Array], rows: int) -> np.ndarray:
        """The slot of each row's key; makes room for the counts of new keys."""
        if self._index is None:
            slots = np.zeros(rows, np.uint32)
        else:
            slots = self._index.upsert([canonical.decoded(column) for column in keys]).slots
        missing = self._key_count() - len(self._counts)
        if missing > 0:
            self._counts = np.append(self._counts, np.zeros(max(missing, len(self._counts)), np.int64))
        return slots

    def _key_count(self) -> int:
        return 1 if self._index is None else self._index.size()

    def _joined(self) -> tuple[np.ndarray, np.ndarray]:
        """The slots and positions of all stored rows."""
        self._slots, self._positions = [np.concatenate(self._slots)], [np.concatenate(self._positions)]
        return self._slots[0], self._positions[0]

    def _empty(self) -> GroupedRows:
        return GroupedRows(self._stored, self._keys, self._groups)


def by_slot(slots: np.ndarray) -> np.ndarray:
    """Row numbers sorted by slot, in their order for each."""
    return rows_by_key(np.zeros(len(slots), np.uint16), slots)


def ranks(slots: np.ndarray) -> np.ndarray:
    """The number of each row among the rows of its slot."""
    order = by_slot(slots)
    of_key = slots[order]
    begins = np.append(True, of_key[1:] != of_key[:-1])[: len(slots)]
    numbers = np.arange(len(slots))
    found = np.empty(len(slots), np.int64)
    found[order] = numbers - np.maximum.accumulate(np.where(begins, numbers, 0))
    return found
