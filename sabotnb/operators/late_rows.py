"""Late rows: the clocks of the rows of a batch, and the rows that are too late by them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sabotnb import eventtime


class TimedBatch(NamedTuple):
    """Rows and a number for each, such as their event time or the time that they are late by, in microseconds."""

    batch: pa.RecordBatch
    times: np.ndarray


def without_clocks(batch: pa.RecordBatch, watermark: int) -> TimedBatch:
    """Return the rows without their clocks, and these, at least ``watermark``: one for each row, or one for all."""
    if not eventtime.is_delayed(batch):
        return TimedBatch(batch, np.full(1, watermark))
    clocks = np.maximum(eventtime.clocks(batch).to_numpy(), watermark)
    return TimedBatch(eventtime.without_clock(batch), clocks)


def divided(rows: TimedBatch, late: np.ndarray, overdue: np.ndarray) -> tuple[TimedBatch, TimedBatch | None]:
    """Return the rows for which the mask ``late`` is false, and the others with how late they are; None if none is.

    ``overdue`` says for each row how late it is.
    """
    if not late.any():
        return rows, None
    kept = TimedBatch(rows.batch.filter(pa.array(~late)), rows.times[~late])
    return kept, TimedBatch(rows.batch.filter(pa.array(late)), overdue[late])


def with_late_by(late: TimedBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return late rows with the column that says by how much; ``schema`` is that of the side output."""
    delays = pa.array(np.broadcast_to(late.times, late.batch.num_rows)).cast(schema.types[-1])
    return pa.RecordBatch.from_arrays([*late.batch.columns, delays], schema=schema)
