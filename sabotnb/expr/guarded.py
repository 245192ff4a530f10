"""``&``, ``|`` and ``when`` whose parts may raise: each part sees only the rows that need it, if there are any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.expr.columnar import mask_of, scatter
from sabotnb.expr.compiled import Run, of_length
from sabotnb.expr.scalars import FALSE, TRUE


def guarded_connective(fn: str, left: Run, right: Run) -> Run:
    """``left & right`` (``|``) where ``right`` is computed for the rows that ``left`` does not decide."""
    kernel = pc.and_kleene if fn == "and" else pc.or_kleene
    decided_by = TRUE if fn == "or" else FALSE

    def run(batch: pa.RecordBatch) -> Any:
        first = of_length(left(batch), pa.bool_(), batch.num_rows)
        open_rows = pc.fill_null(pc.not_equal(first, decided_by), TRUE)
        if open_rows.true_count == batch.num_rows:
            return kernel(first, right(batch))
        if not open_rows.true_count:
            return first
        few = batch.filter(open_rows)
        second = of_length(right(few), pa.bool_(), few.num_rows)
        return kernel(first, scatter(second, open_rows))

    return run


def guarded_case(runs: Sequence[Run], data_type: pa.DataType) -> Run:
    """Conditions and values in turn, then the value otherwise; each value for its own rows alone."""
    conditions, values, otherwise = runs[:-1:2], runs[1::2], runs[-1]

    def run(batch: pa.RecordBatch) -> pa.Array:
        rows = batch.num_rows
        open_rows = np.ones(rows, dtype=np.bool_)
        places = np.zeros(rows, dtype=np.int64)
        pieces: list[pa.Array] = []
        filled = 0
        for condition, value in zip([*conditions, None], [*values, otherwise], strict=True):
            if not open_rows.any():
                break
            here = open_rows.copy()
            if condition is not None:
                here[open_rows] = _mask(condition, batch, open_rows)
            open_rows &= ~here
            count = int(here.sum())
            if not count:
                continue
            few = batch if count == rows else batch.filter(pa.array(here))
            pieces.append(of_length(value(few), data_type, count))
            places[here] = np.arange(filled, filled + count)
            filled += count
        return pa.concat_arrays(pieces).take(pa.array(places)) if rows else pa.nulls(0, data_type)

    return run


def _mask(condition: Run, batch: pa.RecordBatch, open_rows: Any) -> Any:
    """Where ``condition`` is true among the open rows, the only ones that it sees."""
    few = batch if open_rows.all() else batch.filter(pa.array(open_rows))
    return mask_of(condition(few), few.num_rows).to_numpy(zero_copy_only=False)
