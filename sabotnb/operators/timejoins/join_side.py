"""What the joins by time do with the rows of one input: times, late rows and null keys."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from sabotnb.errors import ExpressionError
from sabotnb.eventtime import microseconds
from sabotnb.graph import LATE, TimeColumn, TimeJoin, late_names, side_schema
from sabotnb.operators.encoding import conformed
from sabotnb.operators.joined_rows import compared_keys
from sabotnb.operators.late_rows import TimedBatch, divided, without_clocks
from sabotnb.protocol import Out
from sabotnb.state import compared, complete

LEFT, RIGHT = 0, 1


def check_whole(column: pa.Array, name: str) -> None:
    """Raise an ExpressionError if a time in ``column`` has nanoseconds: times are compared as microseconds."""
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        counts = column.drop_null().view(pa.int64()).to_numpy(zero_copy_only=False)
        if (counts % 1000).any():
            raise ExpressionError(
                f"{name!r} has nanoseconds, and joins by time compare microseconds: round it first, "
                f".with_columns({name}=col({name!r}).cast('timestamp[us]')).with_event_time({name!r})"
            )


class JoinSide:
    """One input of a join by time. ``keys`` are its key columns, in the types in which both sides are compared."""

    def __init__(self, spec: TimeJoin, inputs: Sequence[pa.Schema], port: int) -> None:
        self.port = port
        self.input = inputs[port]
        self.time: TimeColumn | None = spec.right_time if port else spec.left_time
        self._names = spec.right_on if port else spec.left_on
        self.keys = pa.schema(list(zip(self._names, compared_keys(spec, inputs[LEFT], inputs[RIGHT]), strict=True)))
        self._late = side_schema(spec, LATE, inputs) if self.time is not None else None
        others = late_names(inputs[LEFT], inputs[RIGHT], spec.suffix)
        self._late_names = dict(others) if port else {name: name for name in self.input.names}

    def probe_keys(self, batch: pa.RecordBatch) -> list[pa.Array]:
        """The keys of rows of this side, to look for rows of the other."""
        return [compared(batch.column(field.name), field.type) for field in self.keys]

    def complete(self, batch: pa.RecordBatch) -> np.ndarray | None:
        """Mask of the rows whose key has no null, in the types of the other side too; None if all are so."""
        mask = complete(self.probe_keys(batch))
        return None if mask is None else mask.to_numpy(zero_copy_only=False)

    def timed(self, batch: pa.RecordBatch, watermark: int) -> tuple[pa.RecordBatch, np.ndarray, np.ndarray]:
        """The rows without their clocks, their event times, and the clocks: one for all, or one for each."""
        assert self.time is not None
        batch, clocks = without_clocks(batch, watermark)
        return batch, microseconds(batch.column(self.time.column)) + self.time.shift, clocks

    def punctual(self, batch: pa.RecordBatch, watermark: int) -> tuple[TimedBatch, TimedBatch | None]:
        """The rows that are not behind their clock, with their times, and those that are; None if none is."""
        batch, times, clocks = self.timed(batch, watermark)
        assert self.time is not None
        check_whole(batch.column(self.time.column), self.time.column)
        return divided(TimedBatch(batch, times), times < clocks, clocks - times)

    def late(self, batch: pa.RecordBatch, late_by: np.ndarray) -> Out:
        """Late rows, with nulls in the columns of the other side."""
        assert self._late is not None
        known = dict(zip(self._late_names.values(), conformed(batch, self.input).columns, strict=True))
        *names, last = self._late.names
        columns = [
            known[name] if name in known else pa.nulls(batch.num_rows, self._late.field(name).type) for name in names
        ]
        delays = pa.array(late_by).cast(self._late.field(last).type)
        return LATE, pa.RecordBatch.from_arrays([*columns, delays], schema=self._late)
