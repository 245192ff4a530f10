"""``&``, ``|`` and ``when`` with parts that may raise: each part is computed only for the rows that need it.

These are the guarded steps of ``sabotnb.expr.program``: generators that yield a branch with its rows and are sent the
result. A branch that no row needs is not computed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.expr.columnar import mask_of, scatter
from sabotnb.expr.compiled import of_length
from sabotnb.expr.program import Guarded
from sabotnb.expr.scalars import FALSE, TRUE

Convert = Callable[[Any], Any]
"""What makes the result of a branch the type that is needed."""


def guarded_connective(fn: str, left: Convert, right: Convert) -> Callable[..., Guarded]:
    """``left & right`` or ``left | right``. The right side is branch 0, for the rows that ``left`` does not decide."""
    kernel = pc.and_kleene if fn == "and" else pc.or_kleene
    decided_by = TRUE if fn == "or" else FALSE

    def run(batch: pa.RecordBatch, value: Any) -> Guarded:
        first = of_length(left(value), pa.bool_(), batch.num_rows)
        open_rows = pc.fill_null(pc.not_equal(first, decided_by), TRUE)
        if open_rows.true_count == batch.num_rows:
            return kernel(first, right((yield 0, batch)))
        if not open_rows.true_count:
            return first
        few = batch.filter(open_rows)
        second = of_length(right((yield 0, few)), pa.bool_(), few.num_rows)
        return kernel(first, scatter(second, open_rows))

    return run


def guarded_case(converts: list[Convert], data_type: pa.DataType) -> Callable[..., Guarded]:
    """``when``: conditions and values in turn, then the value otherwise; each value is computed for its rows alone.

    The first condition sees all rows, so it is an argument of the step; the others are the branches, in their order.
    Values are collected branch by branch; ``places`` then brings them into the order of the rows.
    """
    last = len(converts) - 1

    def run(batch: pa.RecordBatch, first: Any) -> Guarded:
        rows = batch.num_rows
        open_rows = np.ones(rows, dtype=np.bool_)
        places = np.zeros(rows, dtype=np.int64)
        pieces: list[pa.Array] = []
        filled = 0
        for number in range(1, last + 2, 2):
            if not open_rows.any():
                break
            here = open_rows.copy()
            value = min(number, last)
            if number <= last:
                few = batch if open_rows.all() else batch.filter(pa.array(open_rows))
                condition = first if number == 1 else (yield number - 2, few)
                mask = mask_of(converts[number - 1](condition), few.num_rows)
                here[open_rows] = mask.to_numpy(zero_copy_only=False)
            open_rows &= ~here
            count = int(here.sum())
            if not count:
                continue
            few = batch if count == rows else batch.filter(pa.array(here))
            made = converts[value]((yield value - 1, few))
            pieces.append(of_length(made, data_type, count))
            places[here] = np.arange(filled, filled + count)
            filled += count
        return pa.concat_arrays(pieces).take(pa.array(places)) if rows else pa.nulls(0, data_type)

    return run
