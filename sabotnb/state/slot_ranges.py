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


def in_pieces(size: int, read: Callable[[int, int], pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Call ``read(start, stop)`` for rows 0 to ``size`` in batches of about PIECE_BYTES.

    The size of a row is not known before it is read, so each batch sets the number of rows of the next.

    A row is never divided, even if it is larger than that.
    """
    start, rows = 0, FIRST_ROWS
    while start < size:
        batch = read(start, min(size, start + rows))
        start += batch.num_rows
        each = max(1, own_bytes(batch) // batch.num_rows)
        yield batch
        rows = min(PIECE_ROWS, max(1, PIECE_BYTES // each))
