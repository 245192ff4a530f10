"""``CompiledExpression``: an expression compiled for batches of one schema."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

Run = Callable[[pa.RecordBatch], Any]
"""A batch to an array of its length, or to a scalar that stands for all its rows."""


@dataclass(frozen=True, slots=True)
class CompiledExpression:
    """A function of batches of one schema: returns an array of ``type`` with the batch's length.

    ``total`` is true if it has a value for every row, that is, never raises.
    """

    type: pa.DataType
    run: Run
    total: bool

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        return of_length(self.run(batch), self.type, batch.num_rows)


def of_length(data: Any, data_type: pa.DataType, rows: int) -> pa.Array:
    """Return ``data`` as an array of ``rows`` rows; a scalar is repeated."""
    if isinstance(data, pa.Array):
        return data
    return pa.repeat(data, rows) if data.is_valid else pa.nulls(rows, data_type)
