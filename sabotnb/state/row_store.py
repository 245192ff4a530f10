"""Rows that are held by key group, as they came or cut to those that are kept.

Batches never change, so freezing a pile is to keep the list of them. Rows are divided by groups, sorted and cut by
the code that asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from sabotnb.native import compact, own_bytes
from sabotnb.state.grouped_batches import GroupedBatch, GroupedBatches, join
from sabotnb.state.retention import ALL_ROWS, Retention, arranged
from sabotnb.state.slot_ranges import PIECE_BYTES, PIECE_ROWS

PILE_ROWS = 1 << 17
PILE_BYTES = 64 << 20
"""What may pile up on what is kept, however little that is."""


class RowStore:
    """Rows of ``schema``. Where ``keep`` has a limit, rows pile up until they are as many as those that it keeps."""

    def __init__(self, schema: pa.Schema, keep: Retention = ALL_ROWS, pile_rows: int = PILE_ROWS) -> None:
        self.schema = schema
        self.keep = keep
        self._pile_rows = pile_rows
        self.rows = self.nbytes = 0
        self.kept: GroupedBatches | None = None
        """What was kept when rows were cut last, until a group is dropped."""
        self._pieces: list[GroupedBatch] = []
        self._kept_rows = self._kept_bytes = 0
        self._arranged = True

    def add(
        self, batch: pa.RecordBatch, groups: np.ndarray | None = None, slots: np.ndarray | None = None
    ) -> GroupedBatch:
        """Hold the rows of ``batch``, whose columns have the types of the schema; gives them as they were added."""
        nbytes = own_bytes(batch)
        piece = GroupedBatch(compact(batch, nbytes), groups, slots, nbytes=nbytes)
        self._pieces.append(piece)
        self.rows += piece.rows
        self.nbytes += piece.nbytes
        self._arranged = False
        if self.keep.limit is not None and self._piled_up():
            self.kept = self.arrange()
        return piece

    def arrange(self) -> GroupedBatches:
        """Cut to the rows that are kept and sort them: by key group, slot and the order of ``keep``."""
        if not self._arranged:
            self._set(arranged(self.schema, self._pieces, self.keep).pieces)
            self._kept_rows, self._kept_bytes = self.rows, self.nbytes
            self._arranged = True
        return self.join()

    def join(self) -> GroupedBatches:
        """All rows, numbered in an order that lasts until rows are added or dropped."""
        rows = join(self.schema, self._pieces)
        self._pieces = list(rows.pieces)
        return rows

    def take_first(self) -> pa.RecordBatch | None:
        """Give up the rows that came first."""
        if not self._pieces:
            return None
        first = self._pieces.pop(0)
        self.rows -= first.rows
        self.nbytes -= first.nbytes
        return first.whole().batch

    def groups(self) -> Sequence[int]:
        """Key groups that have rows, ascending."""
        return sorted(set().union(*(piece.present() for piece in self._pieces)))

    def bytes_of(self, group: int) -> int:
        """About how many bytes the rows of ``group`` have."""
        return sum(int(piece.count(group) * piece.row_bytes) for piece in self._pieces)

    def drop(self, group: int) -> None:
        """Forget ``group``."""
        self.kept = None
        self._set(left for piece in self._pieces if (left := piece.without(group)) is not None)
        self._kept_rows, self._kept_bytes = min(self._kept_rows, self.rows), min(self._kept_bytes, self.nbytes)

    def freeze(self, groups: Sequence[int]) -> FrozenRowStore:
        """The rows that there are now, for somebody who asks for ``groups``."""
        return FrozenRowStore(self.schema, tuple(self._pieces), self.keep, groups)

    def _piled_up(self) -> bool:
        rows, nbytes = self.rows - self._kept_rows, self.nbytes - self._kept_bytes
        return rows > self._kept_rows + self._pile_rows or nbytes > max(self._kept_bytes, PILE_BYTES)

    def _set(self, pieces: Iterable[GroupedBatch]) -> None:
        self._pieces = list(pieces)
        self.rows = sum(piece.rows for piece in self._pieces)
        self.nbytes = sum(piece.nbytes for piece in self._pieces)


class FrozenRowStore:
    """The rows that a pile had; may be read from any thread."""

    def __init__(
        self, schema: pa.Schema, pieces: Sequence[GroupedBatch], keep: Retention, groups: Sequence[int]
    ) -> None:
        self._schema = schema
        self._pieces = pieces
        self._keep = keep
        self._many = len(groups) > 1
        self._divided: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def pieces(self, group: int) -> Iterator[GroupedBatch]:
        """The rows of ``group`` in pieces of bounded size; those that the pile would keep, if it keeps only some."""
        if self._keep.limit is not None:
            for piece in self.arranged(group).pieces:
                yield from _small(piece, np.arange(piece.rows))
            return
        for number, piece in enumerate(self._pieces):
            if piece.count(group):
                yield from _small(piece, self._numbers(number, group))

    def arranged(self, group: int) -> GroupedBatches:
        """The rows of ``group`` that the pile would keep, in order."""
        found = [
            piece.take(self._numbers(number, group)) for number, piece in enumerate(self._pieces) if piece.count(group)
        ]
        return arranged(self._schema, found, self._keep)

    def _numbers(self, number: int, group: int) -> np.ndarray:
        """The rows of ``group`` in the piece of that number, which is divided once if there are many groups."""
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
    """The rows of these numbers, ascending and at least one, in pieces of about PIECE_BYTES."""
    rows = min(PIECE_ROWS, max(1, int(PIECE_BYTES // max(1.0, piece.row_bytes))))
    for start in range(0, len(numbers), rows):
        part = numbers[start : start + rows]
        together = int(part[-1] - part[0]) + 1 == len(part)
        yield piece.slice(int(part[0]), int(part[-1]) + 1) if together else piece.take(part)
