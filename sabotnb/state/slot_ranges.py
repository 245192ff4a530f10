"""Divide the slots of key groups into ranges, so that results and exports come in batches of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from sabotnb.native import own_bytes

FIRST_ROWS = 1024
PIECE_ROWS = 65_536
PIECE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class SlotRange:
    """Slots ``start`` to ``stop`` of a key group."""

    group: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def cut(sizes: Iterable[tuple[int, int]], limit: int) -> Iterator[list[SlotRange]]:
    """Divide groups, given as (number, size), into lists of ranges of ``limit`` slots in total (fewer in the last)."""
    piece: list[SlotRange] = []
    room = limit
    for group, size in sizes:
        start = 0
        while start < size:
            span = SlotRange(group, start, min(size, start + room))
            piece.append(span)
            start, room = span.stop, room - len(span)
            if room == 0:
                yield piece
                piece, room = [], limit
    if piece:
        yield piece


def in_pieces(
    size: int, read: Callable[[int, int], pa.RecordBatch], row_bytes: int | None = None
) -> Iterator[pa.RecordBatch]:
    """Call ``read(start, stop)`` for rows 0 to ``size`` in batches of about PIECE_BYTES.

    If ``row_bytes`` is None, the size of a row is not known before it is read: each batch sets the number of rows of
    the next. A row is never divided, even if it is larger than PIECE_BYTES.
    """
    start, rows = 0, FIRST_ROWS if row_bytes is None else _rows_of(row_bytes)
    while start < size:
        batch = read(start, min(size, start + rows))
        start += batch.num_rows
        if row_bytes is None:
            rows = _rows_of(own_bytes(batch) // batch.num_rows)
        yield batch


def fixed_row_bytes(schema: pa.Schema) -> int | None:
    """The bytes of a row of ``schema`` without its validity; None if rows have different sizes."""
    bits = 0
    for data_type in schema.types:
        if not (pa.types.is_primitive(data_type) or pa.types.is_decimal(data_type)):
            return None
        bits += data_type.bit_width
    return bits // 8


def _rows_of(row_bytes: int) -> int:
    return min(PIECE_ROWS, max(1, PIECE_BYTES // max(1, row_bytes)))
