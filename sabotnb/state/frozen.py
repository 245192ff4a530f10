"""Frozen aggregates: exported in another thread while the task continues to update the state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from sabotnb.native import RowImage
from sabotnb.state.accumulator_layout import Field
from sabotnb.state.build import FrozenColumns
from sabotnb.state.keys import View
from sabotnb.state.slot_ranges import SlotRange, fixed_row_bytes, in_pieces


@dataclass(frozen=True, slots=True)
class FrozenGroup:
    """The keys of one key group, and their accumulators."""

    keys: View
    rows: RowImage


class FrozenAggregates:
    """Some key groups of a ``GroupedAggregates``; ``items`` are the aggregates in the order of their columns."""

    def __init__(
        self, schema: pa.Schema, items: tuple[Field | FrozenColumns, ...], groups: Mapping[int, FrozenGroup]
    ) -> None:
        self._schema = schema
        self._items = items
        self._groups = dict(groups)
        self._row_bytes = fixed_row_bytes(schema)

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The keys of ``group`` and the state of their aggregates; from any thread."""
        frozen = self._groups[group]
        return in_pieces(
            len(frozen.keys),
            lambda start, stop: self._piece(frozen, SlotRange(group, start, stop)),
            self._row_bytes,
        )

    def release(self, group: int) -> None:
        """Drop the keys and rows of ``group``, so that the task saves no more rows of it."""
        self._groups.pop(group, None)
        for item in self._items:
            if not isinstance(item, Field):
                item.release(group)

    def _piece(self, frozen: FrozenGroup, span: SlotRange) -> pa.RecordBatch:
        rows = frozen.rows.read(span.start, span.stop)
        columns = frozen.keys.keys(span.start, span.stop)
        for item in self._items:
            columns += item.aggregate.state(item.of(rows)) if isinstance(item, Field) else item.state(span)
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)
