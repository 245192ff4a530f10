"""Record batches with the key group of each row, and sequences of them with common row numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa

from sabotnb.native import empty_batch, own_bytes

GROUP_BYTES = 2
SLOT_BYTES = 4


class GroupedBatch:
    """An immutable batch with the key group (None: all in 0) and the slot (None: not needed) of each row.

    ``batch`` may still have rows of groups that are ``gone``. ``rows``, ``nbytes``, ``present`` and ``count`` leave
    them out; row numbers (``take``, ``slice``) count them.
    """

    def __init__(
        self,
        batch: pa.RecordBatch,
        groups: np.ndarray | None = None,
        slots: np.ndarray | None = None,
        gone: frozenset[int] = frozenset(),
        nbytes: int | None = None,
        *,
        spilled: bool = False,
    ) -> None:
        """Store ``batch``; ``nbytes`` are its ``own_bytes``, if they are known. ``spilled``: it is in a file."""
        self.batch = batch
        self.groups = groups
        self.slots = slots
        self.gone = gone
        self._own = nbytes
        self.spilled = spilled

    @cached_property
    def _counts(self) -> np.ndarray:
        return np.array([self.batch.num_rows]) if self.groups is None else np.bincount(self.groups)

    @cached_property
    def rows(self) -> int:
        """Number of rows, without those of groups that are gone."""
        return int(self.batch.num_rows) - sum(int(self._counts[group]) for group in self.gone)

    @cached_property
    def row_bytes(self) -> float:
        """Bytes of a row on average."""
        beside = (0 if self.groups is None else GROUP_BYTES) + (0 if self.slots is None else SLOT_BYTES)
        own = own_bytes(self.batch) if self._own is None else self._own
        return beside + own / max(1, int(self.batch.num_rows))

    @property
    def nbytes(self) -> int:
        """Bytes of the rows, without those of groups that are gone."""
        return int(self.rows * self.row_bytes)

    def present(self) -> set[int]:
        """Key groups that have rows."""
        return set(np.flatnonzero(self._counts).tolist()) - self.gone

    def count(self, group: int) -> int:
        """Rows of ``group``."""
        return 0 if group in self.gone or group >= len(self._counts) else int(self._counts[group])

    def without(self, group: int) -> GroupedBatch | None:
        """The batch without ``group``; None if no row is left. Rows are copied only if more are gone than are left."""
        if not self.count(group):
            return self
        left = GroupedBatch(self.batch, self.groups, self.slots, self.gone | {group}, self._own, spilled=self.spilled)
        left._counts = self._counts
        if not left.rows:
            return None
        return left.whole() if 2 * left.rows < left.batch.num_rows else left

    def whole(self) -> GroupedBatch:
        """The batch without the rows of groups that are gone; a copy if there are any."""
        if self.groups is None or not self.gone:
            return self
        return self.take(np.flatnonzero(~np.isin(self.groups, list(self.gone))))

    def take(self, numbers: np.ndarray) -> GroupedBatch:
        """The rows of these numbers."""
        return GroupedBatch(self.batch.take(pa.array(numbers)), _at(self.groups, numbers), _at(self.slots, numbers))

    def slice(self, start: int, stop: int) -> GroupedBatch:
        """Rows ``start`` to ``stop``, without copying them."""
        part = slice(start, stop)
        return GroupedBatch(self.batch.slice(start, stop - start), _at(self.groups, part), _at(self.slots, part))


def _at(each: np.ndarray | None, rows: np.ndarray | slice) -> np.ndarray | None:
    return None if each is None else each[rows]


class GroupedBatches:
    """A sequence of batches of one schema, whose rows are numbered from 0 across all of them."""

    def __init__(self, schema: pa.Schema, pieces: Sequence[GroupedBatch]) -> None:
        self.schema = schema
        self.pieces = tuple(pieces)
        self._stops = np.cumsum([piece.batch.num_rows for piece in pieces], dtype=np.int64)
        self.rows = int(self._stops[-1]) if pieces else 0

    @cached_property
    def groups(self) -> np.ndarray:
        """The key group of each row."""
        return _side_by_side([piece.groups for piece in self.pieces], self.rows, np.uint16)

    @cached_property
    def slots(self) -> np.ndarray:
        """The slot of each row."""
        return _side_by_side([piece.slots for piece in self.pieces], self.rows, np.uint32)

    @cached_property
    def places(self) -> np.ndarray:
        """A number for the key of each row, uint64: the group in the upper half, the slot in the lower."""
        return place(self.groups, self.slots)

    def column(self, name: str) -> pa.Array | pa.ChunkedArray:
        """A column of all rows."""
        chunks = [piece.batch.column(name) for piece in self.pieces]
        return chunks[0] if len(chunks) == 1 else pa.chunked_array(chunks, self.schema.field(name).type)

    @property
    def row_bytes(self) -> float:
        """Bytes of a row on average."""
        return sum(piece.rows * piece.row_bytes for piece in self.pieces) / max(1, self.rows)

    def piece(self, numbers: np.ndarray) -> GroupedBatch:
        """The rows of these numbers."""
        first = self.pieces[0]
        groups = None if first.groups is None else self.groups[numbers]
        slots = None if first.slots is None else self.slots[numbers]
        return GroupedBatch(self.take(numbers), groups, slots)

    def slice(self, start: int, stop: int) -> pa.RecordBatch:
        """Rows ``start`` to ``stop``."""
        if len(self.pieces) == 1:
            return self.pieces[0].batch.slice(start, stop - start)
        return self.take(np.arange(start, stop))

    def take(self, numbers: np.ndarray | pa.Array) -> pa.RecordBatch:
        """The rows of these numbers as one batch; a null number becomes a row of nulls."""
        numbers = numbers if isinstance(numbers, pa.Array) else pa.array(numbers)
        if len(self.pieces) == 1:
            return self.pieces[0].batch.take(numbers)
        return self._gathered(numbers)

    def _gathered(self, numbers: pa.Array) -> pa.RecordBatch:
        """Take from each batch separately: Arrow would concatenate them first, and may not fit all text in a column."""
        wanted = numbers.fill_null(0).to_numpy().astype(np.int64)
        of = np.searchsorted(self._stops, wanted, side="right")
        order = np.argsort(of, kind="stable")
        bounds = np.searchsorted(of[order], np.arange(len(self.pieces) + 1))
        parts = [
            piece.batch.take(pa.array(wanted[order[bounds[i] : bounds[i + 1]]] + piece.batch.num_rows - self._stops[i]))
            for i, piece in enumerate(self.pieces)
        ]
        back = np.empty(len(wanted), np.int64)
        back[order] = np.arange(len(wanted))
        mask = numbers.is_null().to_numpy(zero_copy_only=False) if numbers.null_count else None
        together = combined(self.schema, parts) or [empty_batch(self.schema)]
        return together[0].take(pa.array(back, mask=mask))


def join(schema: pa.Schema, pieces: Iterable[GroupedBatch]) -> GroupedBatches:
    """All rows in one batch, or in a few if a column has more text than Arrow's offsets can address (2 GB)."""
    apart = GroupedBatches(schema, [piece.whole() for piece in pieces])
    if len(apart.pieces) < 2:
        return apart
    groups = None if apart.pieces[0].groups is None else apart.groups
    slots = None if apart.pieces[0].slots is None else apart.slots
    together, start = [], 0
    for batch in combined(schema, [piece.batch for piece in apart.pieces]):
        part = slice(start, start + batch.num_rows)
        together.append(GroupedBatch(batch, _at(groups, part), _at(slots, part)))
        start = part.stop
    return GroupedBatches(schema, together)


def numbered(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> GroupedBatches:
    """The rows of all batches with common numbers, in no groups."""
    return join(schema, map(GroupedBatch, batches))


def combined(schema: pa.Schema, batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """The rows of all batches in as few batches as possible; an empty list if there are no rows."""
    table = pa.Table.from_batches(batches, schema=schema)
    if not _share_dictionaries(schema, batches):
        table = table.unify_dictionaries()
    found: list[pa.RecordBatch] = table.combine_chunks().to_batches()
    return found


def _share_dictionaries(schema: pa.Schema, batches: Sequence[pa.RecordBatch]) -> bool:
    """True if each column has the same memory as its dictionary in all batches: Arrow would make a copy of it."""
    if any(pa.types.is_nested(kind) for kind in schema.types):
        return False  # may have dictionaries inside
    encoded = [number for number, kind in enumerate(schema.types) if pa.types.is_dictionary(kind)]
    return all(len({_memory(batch.column(number).dictionary) for batch in batches}) == 1 for number in encoded)


def _memory(array: pa.Array) -> tuple[int, ...]:
    return len(array), array.offset, *(buffer.address if buffer else 0 for buffer in array.buffers())


def place(groups: np.ndarray | int, slots: np.ndarray) -> np.ndarray:
    """A uint64 per key that sorts by group and then by slot: the group in the upper half, the slot in the lower."""
    found: np.ndarray = (np.asarray(groups, np.uint64) << np.uint64(32)) | slots
    return found


def _side_by_side(parts: Sequence[np.ndarray | None], rows: int, kind: type[np.generic]) -> np.ndarray:
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if known else np.zeros(rows, kind)
