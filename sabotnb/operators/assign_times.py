"""The operator of event time that is computed behind a source."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from sabotnb.errors import SourceError
from sabotnb.eventtime import BeyondEventTime, microseconds, with_clock, within_range
from sabotnb.graph import AssignTimes
from sabotnb.protocol import Operator, OperatorContext, Out


class AssignTimesOperator(Operator):
    """Tells delayed rows apart by the clock of the split that they come from.

    It holds nothing: the clocks belong to the readers of the source, which the task's watermark follows too.
    """

    def __init__(self, spec: AssignTimes) -> None:
        self._column = spec.column

    def open(self, ctx: OperatorContext) -> None:
        self._advance_clock = ctx.advance_clock

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        column = batch.column(self._column)
        if column.null_count:
            raise SourceError(
                f"event time {self._column!r} is null in {column.null_count:,} of {batch.num_rows:,} rows of a batch. "
                f"Drop them: .filter(col({self._column!r}).is_not_null()).with_event_time({self._column!r})"
            )
        try:
            times = microseconds(column)
        except BeyondEventTime as error:
            raise SourceError(f"event time {self._column!r}: {error} {within_range(self._column)}") from None
        found = self._advance_clock(times)
        if found is None:
            return (batch,)
        on_time, delayed = batch.filter(pa.array(~found.mask)), batch.filter(pa.array(found.mask))
        late = with_clock(delayed, pa.array(np.ascontiguousarray(found.clocks[found.mask])))
        return (on_time, late) if on_time.num_rows else (late,)
