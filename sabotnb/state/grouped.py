"""Aggregates by key: the keyed state of grouping."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from sabotnb.expr.aggregates import AggregateLike, result_schema
from sabotnb.native.keyindex import Slots
from sabotnb.native.rows import Rows
from sabotnb.state.frozen import FrozenAggregates, FrozenGroup
from sabotnb.state.layout import Field, gathered, lay_out, state_fields
from sabotnb.state.single_key import SingleKey, index_of, size_of, slots_of
from sabotnb.state.spans import Span, cut
from sabotnb.state.values import encoded_as

BATCH_ROWS = 65_536


class GroupedAggregates:
    """A key index, a row of accumulators per key, and what has no fixed width; each apart for every key group.

    Implements ``protocol.KeyedState``. Without keys there is one key, in group 0, from the beginning. Updates come
    from one thread; a frozen view may be exported by another.
    """

    def __init__(self, keys: pa.Schema, columns: Sequence[AggregateLike], schema: pa.Schema, groups: int = 1) -> None:
        """Aggregate ``columns`` over batches of ``schema``, which has the fields of ``keys``.

        Raises:
            SchemaError, TypeMismatch: a key or an aggregate that its column's type does not have.
            ModuleMissing: an approximate aggregate without its package.
        """
        groups = groups if len(keys) else 1
        self._columns = tuple(columns)
        self._keys = keys
        self._index = index_of(keys, groups)
        self._layout = lay_out(columns, schema, groups)
        self._rows = Rows(self._layout.width, groups)
        self._results = result_schema(keys.names, columns, schema)
        self._lock = threading.Lock()
        self._shared: set[int] = set()
        self._frozen: weakref.WeakSet[FrozenAggregates] = weakref.WeakSet()
        self.schema = self._state_schema()

    def update(self, batch: pa.RecordBatch) -> None:
        """Take the rows of ``batch``.

        Raises:
            ExpressionError: a sum does not fit 128 bits.
            UserFunctionError: a class of the user raised.
        """
        with self._lock:
            slots = self._slots([batch.column(name) for name in self._keys.names], batch.num_rows)
            for item in self._layout.items:
                if isinstance(item, Field):
                    item.aggregate.update(self._rows, item.offset, slots, batch)
                else:
                    item.update(slots, batch)

    def merge(self, partials: pa.RecordBatch) -> None:
        """Take rows of the partial form: keys, then the columns of ``expr.aggregates.partial_fields``."""
        with self._lock:
            self._merge(partials)

    def results(self, limit: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """One row per key, in batches of ``limit`` rows, made as they are asked for.

        Raises:
            ExpressionError: a sum does not fit its type.
            UserFunctionError: a class of the user raised or gave something else than it declares.
        """
        for spans in cut(((group, self._index.size(group)) for group in self.groups()), limit):
            with self._lock:
                rows = np.concatenate([gathered(self._rows, span.group, span.start, span.stop) for span in spans])
                columns = [
                    item.aggregate.result(item.of(rows)) if isinstance(item, Field) else item.result(spans)
                    for item in self._layout.items
                ]
                keys = self._key_columns(spans)
            yield pa.RecordBatch.from_arrays([*keys, *columns], schema=self._results)

    def groups(self) -> Sequence[int]:
        """Key groups that have keys, ascending."""
        return [int(group) for group in np.flatnonzero(self._index.sizes())]

    def freeze(self, groups: Sequence[int]) -> FrozenAggregates:
        """A view of ``groups`` as they are now; rows are copied when they are about to change."""
        with self._lock:
            frozen = FrozenAggregates(self._lock, self.schema, {group: self._view(group) for group in groups})
            self._shared.update(groups)
            self._frozen.add(frozen)
            return frozen

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The keys of ``group`` and the state of their aggregates, in batches of ``schema``."""
        return self.freeze([group]).export(group)

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        """Merge rows that ``export`` of ``group`` gave."""
        for batch in batches:
            with self._lock:
                touched = self._merge(batch)
            if set(touched) - {group}:
                raise ValueError(f"rows of key groups {sorted(touched)} were loaded into group {group}")

    def drop(self, group: int) -> None:
        """Forget ``group``; frozen views keep it."""
        with self._lock:
            for frozen in self._frozen:
                frozen.keep(group)
            self._index.drop(group)
            self._rows.drop(group)
            for item in self._layout.loose:
                item.drop(group)
            self._shared.discard(group)

    def nbytes(self, group: int) -> int:
        """Memory that ``group`` holds; of Python objects the size of their pickles."""
        held = sum(item.nbytes(group) for item in self._layout.loose)
        return self._index.nbytes(group) + self._rows.nbytes(group) + held

    def size(self) -> tuple[int, int]:
        """Number of keys and about how much memory all groups hold; Python objects count without what they refer to."""
        keys, held = size_of(self._index)
        rows = sum(self._rows.nbytes(group) for group in range(self._rows.groups))
        return keys, held + rows + sum(item.held() for item in self._layout.loose)

    def _slots(self, keys: Sequence[pa.Array], rows: int) -> Slots:
        """Find or make the rows of these keys, apart from what is frozen."""
        slots = slots_of(self._index, keys, rows)
        self._rows.reserve(self._index.sizes())
        if self._shared:
            for group in self._shared.intersection(_groups_of(slots)):
                self._rows.detach(group)
                self._shared.discard(group)
        return slots

    def _merge(self, batch: pa.RecordBatch) -> list[int]:
        """Merge a batch of partial or state columns; the groups that it touched."""
        columns = iter(batch.columns)
        slots = self._slots([next(columns) for _ in self._keys], batch.num_rows)
        for item in self._layout.items:
            if isinstance(item, Field):
                parts = [next(columns) for _ in range(item.parts)]
                item.aggregate.merge(self._rows, item.offset, slots, parts)
            else:
                item.merge(slots, [next(columns) for _ in item.state_types])
        return _groups_of(slots)

    def _key_columns(self, spans: Sequence[Span]) -> list[pa.Array]:
        parts = [self._index.keys(span.group, span.start, span.stop) for span in spans]
        return [
            encoded_as(pa.concat_arrays(pieces), field.type)
            for pieces, field in zip(zip(*parts, strict=True), self._keys, strict=False)
        ]

    def _view(self, group: int) -> FrozenGroup:
        size = self._index.size(group)
        fields = [(number, item) for number, item in enumerate(self._layout.items) if isinstance(item, Field)]
        loose = [
            (number, item.snapshot(group, size))
            for number, item in enumerate(self._layout.items)
            if not isinstance(item, Field)
        ]
        buffer = self._rows.buffer(group)
        return FrozenGroup(size, lambda: self._index.keys(group, 0, size), buffer, fields, loose)

    def _state_schema(self) -> pa.Schema:
        types = self._index.types if not isinstance(self._index, SingleKey) else []
        keys = [pa.field(name, data_type) for name, data_type in zip(self._keys.names, types, strict=True)]
        return pa.schema(keys + state_fields(self._layout, self._columns))


def _groups_of(slots: Slots) -> list[int]:
    if slots.groups is None:
        return [0] if len(slots) else []
    return [int(group) for group in np.flatnonzero(np.bincount(slots.groups))]
