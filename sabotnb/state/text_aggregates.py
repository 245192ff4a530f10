"""Compute min, max, first, last, arg_min and arg_max of text and binary columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from sabotnb.native import Slots, Texts, TextView, canonical
from sabotnb.state.slot_ranges import SlotRange
from sabotnb.state.unique import room_for
from sabotnb.state.values import encoded_as, from_order_words, order_words


class TextAggregate:
    """The smallest (with ``last``: the largest) text of ``column`` per key, compared by itself or by column ``by``."""

    def __init__(
        self, column: str, by: str | None, types: tuple[pa.DataType, pa.DataType | None], *, last: bool, groups: int
    ) -> None:
        self._column = column
        self._by = by
        self._gives, self._by_type = types
        self._last = last
        self._texts = Texts(groups)

    @property
    def state_types(self) -> list[pa.DataType]:
        """The text, and its order if there is a ``by``."""
        return [self._gives] if self._by_type is None else [self._gives, self._by_type]

    def update(self, slots: Slots, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch."""
        self.merge(slots, self._columns(batch))

    def merge(self, slots: Slots, parts: Sequence[pa.Array]) -> None:
        """Merge columns of ``lone`` or state columns."""
        texts = canonical.as_binary(canonical.decoded(parts[0]))
        order = None if self._by is None else order_words(parts[1])
        self._texts.rows.reserve(room_for(slots, self._texts.rows.groups))
        self._texts.update(slots, texts, order, self._last)

    def lone(self, batch: pa.RecordBatch) -> list[pa.Array]:
        """The mergeable columns of a batch, one row for each of its rows."""
        columns = self._columns(batch)
        return [encoded_as(column, kind) for column, kind in zip(columns, self.state_types, strict=True)]

    def freeze(self, groups: Sequence[int]) -> FrozenTexts:
        """The texts of ``groups`` as they are now."""
        return FrozenTexts({group: self._texts.view(group) for group in groups}, self._gives, self._by_type)

    def result(self, spans: Sequence[SlotRange]) -> pa.Array:
        """The texts of the slots of ``spans``."""
        found = [self._texts.texts(span.group, span.start, span.stop) for span in spans]
        return canonical.from_binary(pa.concat_arrays(found), self._gives)

    def drop(self, group: int) -> None:
        """Remove the texts of ``group``."""
        self._texts.drop(group)

    def nbytes(self, group: int) -> int:
        """Memory that ``group`` holds."""
        return self._texts.nbytes(group)

    def held(self) -> int:
        """Memory that all groups hold."""
        return sum(self._texts.nbytes(group) for group in range(self._texts.rows.groups))

    def _columns(self, batch: pa.RecordBatch) -> list[pa.Array]:
        return [batch.column(name) for name in (self._column, self._by) if name is not None]


class FrozenTexts:
    """The texts when they were frozen, by group and slot, with their order if there is a ``by``."""

    def __init__(self, texts: Mapping[int, TextView], gives: pa.DataType, by_type: pa.DataType | None) -> None:
        self._texts = dict(texts)
        self._gives = gives
        self._by_type = by_type

    def release(self, group: int) -> None:
        """Drop the texts of ``group``."""
        self._texts.pop(group, None)

    def state(self, span: SlotRange) -> list[pa.Array]:
        """The texts of ``span``, and their order if there is a ``by``."""
        texts = self._texts[span.group]
        columns = [canonical.from_binary(texts.texts(span.start, span.stop), self._gives)]
        if self._by_type is not None:
            columns.append(from_order_words(texts.orders(span.start, span.stop), self._by_type))
        return columns
