"""Delayed rows: batches with a hidden last column that has the clock of each row's split."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from sabotnb.native import scatter

CLOCK = "\0clock"
"""The hidden last column of delayed rows: the clock of their split when they were read, in microseconds (int64).

A row is delayed if its event time is below the clock: the largest event time before it in its split - ``max_delay``.
Only such rows can be late, and only they travel with the column, in batches of their own.
"""

_FIELD = pa.field(CLOCK, pa.int64(), nullable=False)

_MOST_PARTS = 1 << 16
"""Parts that ``scatter`` can make of a batch."""


def is_delayed(batch: pa.RecordBatch) -> bool:
    """True for a batch of delayed rows."""
    return bool(batch.schema.get_field_index(CLOCK) >= 0)


def clocks(batch: pa.RecordBatch) -> pa.Int64Array:
    """Return the clock of each row of a batch of delayed rows."""
    return batch.column(batch.num_columns - 1)


def with_clock(batch: pa.RecordBatch, clock: pa.Int64Array | int) -> pa.RecordBatch:
    """Return ``batch`` as delayed rows; ``clock`` is an array with one for each row, or a number for all rows."""
    column = pa.repeat(pa.scalar(clock, pa.int64()), batch.num_rows) if isinstance(clock, int) else clock
    return batch.append_column(_FIELD, column)


def with_clocks_of(rows: pa.RecordBatch, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return ``rows``, one for each row of ``batch``, with its clocks; ``rows`` themselves if it is not delayed."""
    return with_clock(rows, clocks(batch)) if is_delayed(batch) else rows


def delayed_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema of delayed rows with the columns of ``schema``."""
    return schema.append(_FIELD)


def without_clock(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return ``batch`` without the hidden column; the batch itself if it has none."""
    return batch.remove_column(batch.num_columns - 1) if is_delayed(batch) else batch


def by_clock(batch: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield each clock of a batch of delayed rows, the lowest first, and its rows in order, without the column."""
    import pyarrow.compute as pc

    for start in range(0, batch.num_rows, _MOST_PARTS):
        rows = batch.slice(start, _MOST_PARTS)
        ranks = pc.subtract(pc.rank(clocks(rows), tiebreaker="dense"), pa.scalar(1, pa.uint64())).cast(pa.uint16())
        for part in scatter(rows, ranks, pc.max(ranks).as_py() + 1):
            if part is not None:
                yield clocks(part)[0].as_py(), without_clock(part)
