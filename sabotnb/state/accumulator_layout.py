"""Lay out the aggregates of a key: a field in the row of accumulators, or an object with its own state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sabotnb.expr import AggregateLike
from sabotnb.state.build import VariableWidthAggregate, fixed, loose
from sabotnb.state.fixed_width import Bytes, FixedAggregate
from sabotnb.state.slot_ranges import SlotRange

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


def state_fields(layout: AccumulatorLayout, columns: Sequence[AggregateLike]) -> list[pa.Field]:
    """The state columns of all aggregates."""
    fields = []
    for item, column in zip(layout.items, columns, strict=True):
        if isinstance(item, Field):
            parts = item.aggregate.state(np.zeros((0, item.aggregate.width), np.uint8))
            types = [part.type for part in parts]
        else:
            types = list(item.state_types)
        fields += [pa.field(f"{column.name}:state{number}", data_type) for number, data_type in enumerate(types)]
    return fields


def gathered(buffer: np.ndarray | None, span: SlotRange, width: int) -> Bytes:
    """A copy of the rows of ``span`` in the buffer of their group; zeros where there are none."""
    out = np.zeros((len(span), width), np.uint8)
    if buffer is not None:
        known = buffer[span.start : span.stop]
        out[: len(known)] = known
    return out
