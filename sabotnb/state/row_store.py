"""Store the rows of an operator by key group: all rows in order of arrival, or the first rows of each key.

Theory of operation. The store is a list of batches, each with the group and (if needed) the slot of every row. A batch
in the list never changes; an operation replaces batches in the list, or the list itself.

- Freezing copies the list, not the rows. Dividing rows by group, sorting and cutting happen later, in the thread that
  exports the frozen view, so freezing stops the task only for a moment.
- Dropping a group marks it as gone in each batch that has rows of it. A batch is copied only when more of its rows are
  gone than are left, so dropping groups one by one does not copy the same rows each time.
- With a limit (``Retention``) the store is rewritten: rows are sorted by group, slot and the order of ``keep``, and
  rows beyond the limit are discarded. That happens when the rows added since the last rewrite outnumber the rows kept
  then by ``pile_rows`` (or when their bytes do), so a rewrite sorts at most about twice the rows that were added since
  the last. Between rewrites the store has rows that are not in the result: ``arrange`` must run before it is read.

With a ``SpillPolicy`` rows beyond its limit go to files (``spilled_rows``). Batches of files are batches like others,
so they are frozen, exported and dropped in the same way, but they are not joined.

Row numbers (``join``) count over all batches in the list. They are valid until rows are added, dropped or rewritten; a
reader that needs them longer keeps the ``GroupedBatches`` that it got.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from sabotnb.native import compact, own_bytes
from sabotnb.state.grouped_batches import GroupedBatch, GroupedBatches, join
from sabotnb.state.retention import ALL_ROWS, Retention, arranged
from sabotnb.state.slot_ranges import PIECE_BYTES, PIECE_ROWS
from sabotnb.state.spilled_rows import SpillPolicy

PILE_ROWS = 1 << 17
PILE_BYTES = 64 << 20
"""What may pile up on what is kept, however little that is."""


class RowStore:
    """Rows of ``schema``. If ``keep`` has a limit, rows beyond it are discarded whenever about as many were added."""

    def __init__(
        self,
        schema: pa.Schema,
        keep: Retention = ALL_ROWS,
        pile_rows: int = PILE_ROWS,
        spill: SpillPolicy | None = None,
    ) -> None:
        self.schema = schema
        self.keep = keep
        self._pile_rows = pile_rows
        self._spill = spill
        self.rows = self.nbytes = 0
        self.spilled = 0
        """Of ``nbytes``: those of rows in files."""
        self.kept: GroupedBatches | None = None
        """What was kept when rows were cut last, until a group is dropped."""
        self._pieces: list[GroupedBatch] = []
        self._kept_rows = self._kept_bytes = 0
        self._arranged = True

    def add(
        self, batch: pa.RecordBatch, groups: np.ndarray | None = None, slots: np.ndarray | None = None
    ) -> GroupedBatch:
        """Store the rows of ``batch``, whose columns have the types of the schema, and return them as stored."""
        nbytes = own_bytes(batch)
        # Copies a small slice of a large batch, which would otherwise keep the memory of the whole batch alive.
        piece = GroupedBatch(compact(batch, nbytes), groups, slots, nbytes=nbytes)
        self._pieces.append(piece)
        self.rows += piece.rows
        self.nbytes += piece.nbytes
        self._arranged = False
        if self.keep.limit is not None and self._piled_up():
            self.kept = self.arrange()
        if self._spill is not None and self.nbytes - self.spilled > self._spill.limit:
            self.spill()
        return piece

    def spill(self) -> None:
        """Write the rows in memory to a file; only for rows without groups."""
        assert self._spill is not None
        files = [piece for piece in self._pieces if piece.spilled]
        rows = join(self.schema, [piece for piece in self._pieces if not piece.spilled])
        self._pieces = [*files, *rows.pieces]  # the batches that were joined are free before others are made
        self._set([*files, *(GroupedBatch(batch, spilled=True) for batch in self._spill.spilled(rows))])

    def arrange(self) -> GroupedBatches:
        """Discard rows beyond the limit and sort the others by key group, slot and the order of ``keep``."""
        if not self._arranged:
            self._set(arranged(self.schema, self._pieces, self.keep).pieces)
            self._kept_rows, self._kept_bytes = self.rows, self.nbytes
            self._arranged = True
        return self.join()

    def join(self) -> GroupedBatches:
        """All rows, numbered in an order that lasts until rows are added or dropped."""
        apart = GroupedBatches(self.schema, [piece.whole() for piece in self._pieces])
        rows = apart if self.spilled else join(self.schema, apart.pieces)  # one batch of all rows has to fit in memory
        self._pieces = list(rows.pieces)
        return rows

    def join_small(self) -> None:
        """Join batches until they are large, a few at a time: exports and drops of a group visit each of them."""
        waiting, joined, small = deque(self._pieces), list[GroupedBatch](), list[GroupedBatch]()
        self._pieces = []  # a batch that was joined is free before the next one is made
        rows = nbytes = 0
        while waiting:
            small.append(waiting.popleft())
            rows, nbytes = rows + small[-1].rows, nbytes + small[-1].nbytes
            if rows >= PIECE_ROWS or nbytes >= PIECE_BYTES or not waiting:
                joined += join(self.schema, small).pieces
                small, rows, nbytes = [], 0, 0
        self._set(joined)

    def replace(self, pieces: Iterable[GroupedBatch]) -> None:
        """Store these rows only."""
        self.kept, self._kept_rows, self._kept_bytes, self._arranged = None, 0, 0, False
        self._set(pieces)

    def take_first(self) -> pa.RecordBatch | None:
        """Remove and return the batch that arrived first; None if there is none."""
        if not self._pieces:
            return None
        first = self._pieces.pop(0)
        self.rows -= first.rows
        self.nbytes -= first.nbytes
        self.spilled -= first.nbytes if first.spilled else 0
        return first.whole().batch

    def groups(self) -> Sequence[int]:
        """Key groups that have rows, ascending."""
        return sorted(set().union(*(piece.present() for piece in self._pieces)))

    def bytes_of(self, group: int) -> int:
        """Approximate size of the rows of ``group`` in bytes."""
        return sum(int(piece.count(group) * piece.row_bytes) for piece in self._pieces)

    def drop(self, group: int) -> None:
        """Remove the rows of ``group``."""
        self.kept = None
        self._set(left for piece in self._pieces if (left := piece.without(group)) is not None)
        self._kept_rows, self._kept_bytes = min(self._kept_rows, self.rows), min(self._kept_bytes, self.nbytes)

    def freeze(self, groups: Sequence[int]) -> FrozenRowStore:
        """The rows as they are now, for a reader of ``groups``."""
        return FrozenRowStore(self.schema, tuple(self._pieces), self.keep, groups)

    def _piled_up(self) -> bool:
        rows, nbytes = self.rows - self._kept_rows, self.nbytes - self._kept_bytes
        return rows > self._kept_rows + self._pile_rows or nbytes > max(self._kept_bytes, PILE_BYTES)

    def _set(self, pieces: Iterable[GroupedBatch]) -> None:
        self._pieces = list(pieces)
        self.rows = sum(piece.rows for piece in self._pieces)
        self.nbytes = sum(piece.nbytes for piece in self._pieces)
        self.spilled = sum(piece.nbytes for piece in self._pieces if piece.spilled)


class FrozenRowStore:
    """The rows of a ``RowStore`` when it was frozen; may be read from any thread."""

    def __init__(
        self, schema: pa.Schema, pieces: Sequence[GroupedBatch], keep: Retention, groups: Sequence[int]
    ) -> None:
        self._schema = schema
        self._pieces = pieces
        self._keep = keep
        self._many = len(groups) > 1
        self._divided: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def pieces(self, group: int) -> Iterator[GroupedBatch]:
        """The rows of ``group`` in batches of bounded size, without those that the store would discard."""
        if self._keep.limit is not None:
            for piece in self.arranged(group).pieces:
                yield from _small(piece, np.arange(piece.rows))
            return
        for number, piece in enumerate(self._pieces):
            if piece.count(group):
                yield from _small(piece, self._numbers(number, group))

    def arranged(self, group: int) -> GroupedBatches:
        """The rows of ``group`` that the store would keep, in order."""
        found = [
            piece.take(self._numbers(number, group)) for number, piece in enumerate(self._pieces) if piece.count(group)
        ]
        return arranged(self._schema, found, self._keep)

    def _numbers(self, number: int, group: int) -> np.ndarray:
        """Row numbers of ``group`` in batch ``number``; with many groups each batch is sorted by group once."""
        groups = self._pieces[number].groups
        if groups is None:
            return np.arange(self._pieces[number].rows)
        if not self._many:
            return np.flatnonzero(groups == group)
        if number not in self._divided:
            order = np.argsort(groups, kind="stable")
            self._divided[number] = order, np.searchsorted(groups[order], np.arange(int(groups.max()) + 2))
        order, bounds = self._divided[number]
        return order[bounds[group] : bounds[group + 1]]


def _small(piece: GroupedBatch, numbers: np.ndarray) -> Iterator[GroupedBatch]:
    """The rows of these ascending numbers (at least one) in batches of about PIECE_BYTES; slices where possible."""
    rows = min(PIECE_ROWS, max(1, int(PIECE_BYTES // max(1.0, piece.row_bytes))))
    for start in range(0, len(numbers), rows):
        part = numbers[start : start + rows]
        together = int(part[-1] - part[0]) + 1 == len(part)
        yield piece.slice(int(part[0]), int(part[-1]) + 1) if together else piece.take(part)
