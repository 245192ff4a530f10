"""A fold of rows by key: one Python dict per key."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from sabotnb.native.keyindex import Slots
from sabotnb.state.keys import index_of, key_columns, size_of, slots_of
from sabotnb.state.spans import cut

Row = Mapping[str, Any]


class Folds:
    """The fold of the rows of each key by ``fold(left, right)``.

    Each key starts with an ``init()`` of its own if there is one, else with its first row. What ``fold`` raises comes
    through. Without keys there is one key, in group 0.
    """

    def __init__(
        self, keys: pa.Schema, fold: Callable[[Row, Row], Row], init: Callable[[], Row] | None, groups: int = 1
    ) -> None:
        self._keys = keys
        self._fold = fold
        self._init = init
        self._index = index_of(keys, groups if len(keys) else 1)
        self._folds: dict[int, list[Row | None]] = {}

    def update(self, batch: pa.RecordBatch) -> None:
        """Fold the rows of ``batch`` in."""
        slots = self._slots(batch)
        groups = [0] * batch.num_rows if slots.groups is None else slots.groups.tolist()
        for row, group, slot in zip(batch.to_pylist(), groups, slots.slots.tolist(), strict=True):
            of_group = self._upto(group, slot)
            left = of_group[slot]
            of_group[slot] = row if left is None else self._fold(left, row)

    def results(self, limit: int) -> Iterator[tuple[list[Row], list[pa.Array]]]:
        """Folds and the key columns beside them, ``limit`` keys at a time."""
        sizes = [(int(group), self._index.size(group)) for group in sorted(self._folds)]
        for spans in cut(sizes, limit):
            rows = [row for span in spans for row in self._folds[span.group][span.start : span.stop] if row is not None]
            yield rows, key_columns(self._index, spans, self._keys)

    def groups(self) -> Sequence[int]:
        """Key groups that have keys, ascending."""
        return sorted(self._folds)

    def size(self) -> tuple[int, int]:
        """Number of keys and about how much memory they take; of the folds only the dicts themselves are counted."""
        keys, held = size_of(self._index)
        return keys, held + sum(len(folds) * sys.getsizeof(folds[0]) for folds in self._folds.values())

    def _slots(self, batch: pa.RecordBatch) -> Slots:
        return slots_of(self._index, [batch.column(name) for name in self._keys.names], batch.num_rows)

    def _upto(self, group: int, slot: int) -> list[Row | None]:
        of_group = self._folds.setdefault(group, [])
        while len(of_group) <= slot:
            of_group.append(None if self._init is None else self._init())
        return of_group
