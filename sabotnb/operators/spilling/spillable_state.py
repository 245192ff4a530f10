"""Keyed state whose key groups may be in a file.

Theory of operation. A group that is *spilled* was exported to a file and dropped from memory. What comes for it
afterwards begins in memory again, so a group may be in both, and in several parts of the file: loading exported rows
merges them with what is there (``protocol.state``), so the parts together are the group. Their order is the order in
which they came.

- ``load`` puts a spilled group into the file, so a restored state needs no more memory than the one before the cut.
- A file only grows and its batches never change. Freezing copies the list of them.
- ``take`` removes a group from file and memory. Its batches leave one by one: a group that is taken half is a state
  with the other half.
- While a spilled group is worked on, it is in the state of another operator (``attach``), which is part of this one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import pyarrow as pa

from sabotnb.native import own_bytes
from sabotnb.protocol import Frozen, KeyedState, Releasable
from sabotnb.state import PIECE_BYTES, GroupedRows, SpilledBatch, SpillFile, combined

Entry: TypeAlias = SpilledBatch | pa.RecordBatch
"""A batch of a spilled group, in the file or in memory."""


class SpillableState:
    """Wraps a keyed state of which groups go to ``file``. Implements ``protocol.KeyedState``.

    ``spilled`` are the groups of which something was spilled, in this state or in others of the operator. ``loaded`` is
    called after rows were loaded into memory.
    """

    def __init__(self, state: KeyedState, file: SpillFile, spilled: set[int], loaded: Callable[[], None]) -> None:
        self.schema = state.schema
        self._parts = [state]
        self._file = file
        self._spilled = spilled
        self._loaded = loaded
        self._entries: dict[int, deque[Entry]] = {}

    def groups(self) -> Sequence[int]:
        return sorted({*self._entries, *self.groups_in_memory()})

    def groups_in_memory(self) -> set[int]:
        """Key groups of which something is in memory."""
        return {group for part in self._parts for group in part.groups()}

    def freeze(self, groups: Sequence[int]) -> FrozenSpillable:
        entries = {group: tuple(self._entries[group]) for group in groups if group in self._entries}
        parts = []
        for part in self._parts:
            inside = [group for group in part.groups() if group in groups]
            parts.append((frozenset(inside), part.freeze(inside)))
        return FrozenSpillable(self._file, entries, parts)

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        return self.freeze([group]).export(group)

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        if group in self._spilled:
            self._append(group, batches)
        else:
            self._parts[0].load(group, batches)
            self._loaded()

    def drop(self, group: int) -> None:
        self._entries.pop(group, None)
        for part in self._parts:
            part.drop(group)

    def nbytes(self, group: int) -> int:
        """Memory of ``group``, without what is in the file."""
        return sum(part.nbytes(group) for part in self._parts)

    def size(self) -> tuple[int, int]:
        """The number of keys in memory, and their bytes."""
        sizes = [part.size() for part in self._parts]
        return sum(keys for keys, _ in sizes), sum(nbytes for _, nbytes in sizes)

    def spill(self, groups: Collection[int]) -> None:
        """Move ``groups`` from memory to the file.

        Raises:
            OutOfMemory: the file cannot be written.
        """
        self.join_small()
        for part in self._parts:
            inside = [group for group in part.groups() if group in groups]
            frozen = part.freeze(inside)
            for group in inside:
                self._append(group, frozen.export(group))
            del frozen  # it shares the memory that dropping is to free
            for group in inside:
                part.drop(group)

    def join_small(self) -> None:
        """Join small batches of rows, in front of many calls for single groups."""
        for part in self._parts:
            if isinstance(part, GroupedRows):
                part.join_small()

    def take(self, group: int) -> Iterator[pa.RecordBatch]:
        """Remove ``group``, and yield its batches in the order in which they came."""
        entries = self._entries.setdefault(group, deque())
        for part in self._parts:
            if group in part.groups():
                entries.extend(_gathered(self.schema, part.export(group)))
                part.drop(group)
        while entries:
            yield _read(self._file, entries.popleft())
        del self._entries[group]

    def attach(self, part: KeyedState) -> None:
        """Count ``part``, a state of the same kind with other groups, as part of this one."""
        self._parts.append(part)

    def detach(self) -> None:
        """Undo the last ``attach``."""
        self._parts.pop()

    def _append(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        entries = self._entries.setdefault(group, deque())
        entries.extend(map(self._file.append, _gathered(self.schema, batches)))


class FrozenSpillable:
    """The groups when they were frozen; may be read from any thread."""

    def __init__(
        self, file: SpillFile, entries: Mapping[int, Sequence[Entry]], parts: Sequence[tuple[Collection[int], Frozen]]
    ) -> None:
        self._file = file
        self._entries = dict(entries)
        self._parts = parts

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The batches of ``group`` in the file, then those in memory."""
        for entry in self._entries.get(group, ()):
            yield _read(self._file, entry)
        for groups, frozen in self._parts:
            if group in groups:
                yield from frozen.export(group)

    def release(self, group: int) -> None:
        """Drop the batches of ``group``, and release it of what was in memory."""
        self._entries.pop(group, None)
        for groups, frozen in self._parts:
            if group in groups and isinstance(frozen, Releasable):
                frozen.release(group)


def _read(file: SpillFile, entry: Entry) -> pa.RecordBatch:
    return file.read(entry) if isinstance(entry, SpilledBatch) else entry


def _gathered(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of about PIECE_BYTES: stored rows come in as many batches as they arrived in."""
    waiting: list[pa.RecordBatch] = []
    nbytes = 0
    for batch in batches:
        waiting.append(batch)
        nbytes += own_bytes(batch)
        if nbytes >= PIECE_BYTES:
            yield from _together(schema, waiting)
            waiting, nbytes = [], 0
    yield from _together(schema, waiting)


def _together(schema: pa.Schema, batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    return batches if len(batches) < 2 else combined(schema, batches)
