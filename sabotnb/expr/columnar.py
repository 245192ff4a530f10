"""Helpers for the arrays and scalars that compiled expressions pass: convert, scatter, compute on dictionaries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as t

from sabotnb.expr.compiled import of_length
from sabotnb.expr.scalars import FALSE, TRUE, scalar


def convert(data: Any, data_type: pa.DataType) -> Any:
    """Cast ``data`` to ``data_type``, which must hold its values; only integers to floats may round."""
    if data.type.equals(data_type):
        return data
    return pc.cast(data, data_type, safe=not t.is_floating(data_type))


def on_dictionary(data: Any, param: pa.DataType, of_values: Callable[[Any], Any]) -> Any:
    """Apply ``of_values`` to dictionary-encoded ``data``, once per entry where that is less work than once per row.

    ``of_values`` must return null for null and must not raise, because entries need not occur in ``data``.
    """
    if len(data.dictionary) > len(data):
        return of_values(convert(data, param))
    per_entry = of_values(convert(data.dictionary, param))
    if t.is_boolean(per_entry.type) and per_entry.null_count == 0 and per_entry.true_count == 1:
        entry = per_entry.index(TRUE)
        return pc.equal(data.indices, scalar(entry.as_py(), data.indices.type))
    return per_entry.take(data.indices)


def mask_of(data: Any, rows: int) -> pa.BooleanArray:
    """Return a mask without nulls: true where the condition is true."""
    mask = of_length(data, pa.bool_(), rows)
    return pc.fill_null(mask, FALSE) if mask.null_count else mask


def scatter(values: pa.Array, mask: pa.BooleanArray) -> pa.Array:
    """Put ``values`` in order into the rows where ``mask`` is true; other rows are null."""
    places = pc.if_else(mask, pc.subtract(pc.cumulative_sum(pc.cast(mask, pa.int64())), 1), None)
    return values.take(places)
