"""Lay out the aggregates of a key: a field in the row of accumulators, or an object with its own state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sabotnb.expr import MADE_OF, AggregateLike, hidden_source
from sabotnb.native import FieldUpdates, Rows, Slots
from sabotnb.state.build import VariableWidthAggregate, fixed, loose
from sabotnb.state.fixed_width import Bytes, FixedAggregate, Sum

EMPTY_ROW = 8
"""Bytes of a row that has no field: rows are never of width 0."""


@dataclass(frozen=True, slots=True)
class Field:
    """An aggregate of fixed width: a field at byte ``offset`` of a row. Its exported state has ``parts`` columns."""

    aggregate: FixedAggregate
    offset: int
    parts: int

    def of(self, rows: Bytes) -> Bytes:
        """The bytes of this field in ``rows``."""
        return rows[:, self.offset : self.offset + self.aggregate.width]


@dataclass(frozen=True, slots=True)
class AccumulatorLayout:
    """The aggregates in the order of their columns, and the width of a row."""

    items: tuple[Field | VariableWidthAggregate, ...]
    width: int

    @property
    def loose(self) -> list[VariableWidthAggregate]:
        """The aggregates that store their state themselves."""
        return [item for item in self.items if not isinstance(item, Field)]

    def update(self, rows: Rows, slots: Slots, batch: pa.RecordBatch) -> None:
        """Add the rows of ``batch`` to the aggregates of ``slots``, for which ``rows`` has room.

        Raises:
            ExpressionError: a sum does not fit 128 bits.
            UserFunctionError: a class of the user raised.
        """
        updates = FieldUpdates(rows, slots)
        for item in self.items:
            if isinstance(item, Field):
                item.aggregate.update(updates, item.offset, batch)
            else:
                item.update(slots, batch)
        self._run(updates)

    def merge(self, rows: Rows, slots: Slots, columns: Sequence[pa.Array]) -> None:
        """Merge state columns or mergeable columns, in the order of the aggregates; raises what ``update`` raises."""
        updates = FieldUpdates(rows, slots)
        given = iter(columns)
        for item in self.items:
            if isinstance(item, Field):
                item.aggregate.merge(updates, item.offset, [next(given) for _ in range(item.parts)])
            else:
                item.merge(slots, [next(given) for _ in item.state_types])
        self._run(updates)

    def _run(self, updates: FieldUpdates) -> None:
        try:
            updates.run()
        except OverflowError as error:
            aggregates = {item.offset: item.aggregate for item in self.items if isinstance(item, Field)}
            overflowed = aggregates[error.args[0]]
            assert isinstance(overflowed, Sum)
            raise overflowed.overflow() from error


def lay_out(columns: Sequence[AggregateLike], schema: pa.Schema, groups: int) -> AccumulatorLayout:
    """Assign each aggregate over batches of ``schema`` a field in the row or its own state."""
    items: list[Field | VariableWidthAggregate] = []
    width = 0
    for column in columns:
        found = fixed(column, schema)
        if found is None:
            items.append(loose(column, schema, groups))
            continue
        nothing = np.zeros((0, found.width), np.uint8)
        items.append(Field(found, width, len(found.state(nothing))))
        width += found.width
    return AccumulatorLayout(tuple(items), width or EMPTY_ROW)


def state_fields(layout: AccumulatorLayout, columns: Sequence[AggregateLike], schema: pa.Schema) -> list[pa.Field]:
    """The state columns of all aggregates over batches of ``schema``."""
    fields = []
    for item, column in zip(layout.items, columns, strict=True):
        if isinstance(item, Field):
            parts = item.aggregate.state(np.zeros((0, item.aggregate.width), np.uint8))
            types = [part.type for part in parts]
        else:
            types = list(item.state_types)
        source = hidden_source(column, schema)
        made = {MADE_OF: str(source)} if source is not None else None
        fields += [pa.field(f"{column.name}:state{i}", kind, metadata=made) for i, kind in enumerate(types)]
    return fields
