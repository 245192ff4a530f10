"""Frozen aggregates: exported in another thread while the task continues to update the state.

Theory of operation. As long as the rows of a group are an image, the task saves those that it changes, and the export
has to put them back. Both cost more than a copy, and exporting takes long beside a task that keeps the processors busy.
So an export in another thread first copies the rows of many groups at once, without the GIL, up to a bound, and drops
their images. An export in the task's own thread, as for spilling, reads the images batch by batch: no row changes
meanwhile, and memory may be short.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from sabotnb.native import RowImage, read_images
from sabotnb.state.accumulator_layout import Field
from sabotnb.state.build import FrozenColumns
from sabotnb.state.fixed_width import Bytes
from sabotnb.state.keys import View
from sabotnb.state.slot_ranges import SlotRange, fixed_row_bytes, in_pieces

COPIED_BYTES = 64 << 20
"""Rows that are copied at once."""


@dataclass(frozen=True, slots=True)
class CopiedRows:
    """The rows of an image."""

    rows: Bytes

    def read(self, start: int, stop: int) -> Bytes:
        """The rows of slots ``start`` to ``stop``, which must not be changed."""
        found: Bytes = self.rows[start:stop]
        return found


@dataclass(frozen=True, slots=True)
class FrozenGroup:
    """The keys of one key group, and their accumulators."""

    keys: View
    rows: RowImage | CopiedRows


class FrozenAggregates:
    """Some key groups of a ``GroupedAggregates``; ``items`` are the aggregates in the order of their columns."""

    def __init__(
        self, schema: pa.Schema, items: tuple[Field | FrozenColumns, ...], groups: Mapping[int, FrozenGroup]
    ) -> None:
        self._schema = schema
        self._items = items
        self._groups = dict(groups)
        self._row_bytes = fixed_row_bytes(schema)
        self._thread = threading.get_ident()

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The keys of ``group`` and the state of their aggregates; from any thread."""
        if threading.get_ident() != self._thread:
            self._copy_from(group)
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

    def _copy_from(self, group: int) -> None:
        """Copy the rows of ``group`` and of the groups behind it, unless they are copied, up to COPIED_BYTES."""
        images: dict[int, RowImage] = {}
        room = COPIED_BYTES
        numbers = list(self._groups)
        for number in numbers[numbers.index(group) :]:
            frozen = self._groups[number]
            if not isinstance(frozen.rows, RowImage) or len(frozen.rows) < len(frozen.keys):
                break
            room -= frozen.rows.nbytes
            if room < 0:
                break
            images[number] = frozen.rows
        rows = read_images(list(images.values()))
        for number, image in images.items():
            copied, rows = rows[: len(image)], rows[len(image) :]
            self._groups[number] = FrozenGroup(self._groups[number].keys, CopiedRows(copied))

    def _piece(self, frozen: FrozenGroup, span: SlotRange) -> pa.RecordBatch:
        rows = frozen.rows.read(span.start, span.stop)
        columns = frozen.keys.keys(span.start, span.stop)
        for item in self._items:
            columns += item.aggregate.state(item.of(rows)) if isinstance(item, Field) else item.state(span)
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)
