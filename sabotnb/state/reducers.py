"""Fold the rows of each key into a Python dict, as keyed state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

import pyarrow as pa

from sabotnb.expr import python_rows
from sabotnb.native import Slots
from sabotnb.state.keys import (
    View,
    check_group,
    expect_keys,
    groups_of,
    index_of,
    key_columns,
    plain_keys,
    size_of,
    slots_of,
)
from sabotnb.state.objects import SlotObjects
from sabotnb.state.slot_ranges import SlotRange, cut, in_pieces

Row = Mapping[str, Any]

FOLD = "fold"


class Reducers:
    """Folds the rows of each key by ``fold(left, right)``.

    A key starts with the result of ``init()`` if there is one, else with its first row. Exceptions of ``fold`` are not
    caught. Without key columns there is a single key, in group 0. Rows have the columns ``visible`` (default all) of a
    batch. Implements ``protocol.KeyedState``: two folds of one
    key merge by ``fold``, so ``init`` must return a neutral value if a key is loaded that already exists.
    """

    def __init__(
        self,
        keys: pa.Schema,
        fold: Callable[[Row, Row], Row],
        init: Callable[[], Row] | None,
        groups: int = 1,
        visible: Sequence[str] | None = None,
    ) -> None:
        self._keys = keys
        self._visible = visible
        self._fold = fold
        self._index = index_of(keys, groups if len(keys) else 1)
        self._folds = SlotObjects(init or (lambda: None), deepcopy)
        self.schema = pa.schema([*plain_keys(self._index, keys), pa.field(FOLD, pa.binary())])

    def update(self, batch: pa.RecordBatch) -> None:
        """Fold each row of ``batch`` into the dict of its key."""
        slots = self._slots([batch.column(name) for name in self._keys.names], batch.num_rows)
        rows = batch if self._visible is None else batch.select(self._visible)
        for group, slot, row in _placed(slots, python_rows(rows)):
            left = self._folds.own(group, slot)
            self._folds.put(group, slot, row if left is None else self._fold(left, row))

    def results(self, limit: int) -> Iterator[tuple[list[Row], list[pa.Array]]]:
        """The folded dicts and their key columns, at most ``limit`` keys at a time."""
        for spans in cut(((group, self._folds.count(group)) for group in self.groups()), limit):
            yield [row for span in spans for row in self._folds.read(span)], key_columns(self._index, spans, self._keys)

    def groups(self) -> Sequence[int]:
        return self._folds.groups()

    def freeze(self, groups: Sequence[int]) -> FrozenReducers:
        return FrozenReducers(
            self.schema, {group: (self._index.view(group), self._folds.freeze(group)) for group in groups}
        )

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        return self.freeze([group]).export(group)

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        for batch in batches:
            *keys, folds = batch.columns
            expect_keys(self._index, group, batch.num_rows)
            slots = self._slots(keys, batch.num_rows)
            check_group(group, groups_of(slots))
            for _, slot, data in _placed(slots, folds.to_pylist()):
                here = self._folds.count(group) > slot
                left, right = self._folds.own(group, slot), restored(data)
                self._folds.put(group, slot, self._fold(left, right) if here else right)

    def drop(self, group: int) -> None:
        self._index.drop(group)
        self._folds.drop(group)

    def nbytes(self, group: int) -> int:
        return self._index.nbytes(group) + self._folds.dumped_bytes(group, dumped)

    def size(self) -> tuple[int, int]:
        """Count the dicts without the objects that they refer to: pickling them twice a second would cost too much."""
        keys, held = size_of(self._index)
        return keys, held + self._folds.shallow_bytes()

    def _slots(self, keys: Sequence[pa.Array], rows: int) -> Slots:
        return slots_of(self._index, keys, rows)


class FrozenReducers:
    """The folds when they were frozen; may be read from any thread."""

    def __init__(self, schema: pa.Schema, folds: Mapping[int, tuple[View, list[Row]]]) -> None:
        self._schema = schema
        self._folds = dict(folds)

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The keys of ``group`` and their folds, pickled."""
        return in_pieces(len(self._folds[group][1]), lambda start, stop: self._piece(SlotRange(group, start, stop)))

    def release(self, group: int) -> None:
        """Drop the keys and folds of ``group``."""
        self._folds.pop(group, None)

    def _piece(self, span: SlotRange) -> pa.RecordBatch:
        keys, folds = self._folds[span.group]
        pickles = pa.array([dumped(fold) for fold in folds[span.start : span.stop]], pa.binary())
        return pa.RecordBatch.from_arrays([*keys.keys(span.start, span.stop), pickles], schema=self._schema)


def _placed(slots: Slots, rows: list[Any]) -> Iterator[tuple[int, int, Any]]:
    """The group and the slot beside each of ``rows``."""
    groups = [0] * len(rows) if slots.groups is None else slots.groups.tolist()
    return zip(groups, slots.slots.tolist(), rows, strict=True)


def dumped(fold: Row) -> bytes:
    """A fold as bytes."""
    import cloudpickle

    data: bytes = cloudpickle.dumps(fold)
    return data


def restored(data: bytes) -> Row:
    """The fold of ``dumped``."""
    import cloudpickle

    fold: Row = cloudpickle.loads(data)
    return fold
