"""Export keyed state of ordered dictionaries together with the order of their categories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa

from sabotnb.native import Categories
from sabotnb.protocol import Frozen, KeyedState, Releasable

ORDER = "\0order"


class WithCategories:
    """Wraps keyed state that needs the categories of some columns to be read: exports and loads them with it.

    Exported rows have an extra column for each ordered column. It is null in all rows; its dictionary has the
    categories. Implements ``protocol.KeyedState``.
    """

    def __init__(self, state: KeyedState, categories: Mapping[str, Categories], schema: pa.Schema) -> None:
        """Wrap ``state``; its owner collects ``categories`` from the columns of ``schema``."""
        self._state = state
        self._categories = categories
        self._orders = [pa.field(name + ORDER, schema.field(name).type) for name in categories]
        self.schema = pa.schema([*state.schema, *self._orders])

    def groups(self) -> Sequence[int]:
        return self._state.groups()

    def freeze(self, groups: Sequence[int]) -> FrozenWithCategories:
        pairs = zip(self._orders, self._categories.values(), strict=True)
        orders = [categories.restored(pa.nulls(0), field.type) for field, categories in pairs]
        return FrozenWithCategories(self._state.freeze(groups), self.schema, orders)

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        return self.freeze([group]).export(group)

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        self._state.load(group, map(self._learned, batches))

    def drop(self, group: int) -> None:
        self._state.drop(group)

    def nbytes(self, group: int) -> int:
        return self._state.nbytes(group)

    def size(self) -> tuple[int, int]:
        return self._state.size()

    def _learned(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Take the categories of ``batch``; return its rows for the wrapped state."""
        for field, categories in zip(self._orders, self._categories.values(), strict=True):
            categories.take(batch.column(field.name).dictionary)
        return batch.select(self._state.schema.names)


class FrozenWithCategories:
    """The rows and the categories when they were frozen; may be read from any thread."""

    def __init__(self, state: Frozen, schema: pa.Schema, orders: Sequence[pa.DictionaryArray]) -> None:
        self._state = state
        self._schema = schema
        self._orders = orders

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The rows of ``group``, with the categories in extra columns."""
        for batch in self._state.export(group):
            orders = [_nulls(batch.num_rows, order) for order in self._orders]
            yield pa.RecordBatch.from_arrays([*batch.columns, *orders], schema=self._schema)

    def release(self, group: int) -> None:
        """Release ``group`` of the wrapped state."""
        if isinstance(self._state, Releasable):
            self._state.release(group)


def _nulls(rows: int, order: pa.DictionaryArray) -> pa.DictionaryArray:
    nulls = pa.nulls(rows, order.type.index_type)
    return pa.DictionaryArray.from_arrays(nulls, order.dictionary, ordered=True)
