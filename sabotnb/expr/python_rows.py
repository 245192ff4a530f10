"""Convert batches to rows of Python values."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyarrow import types as t

from sabotnb.errors import ExpressionError


def python_rows(data: pa.RecordBatch | pa.Table) -> list[dict[str, Any]]:
    """Return a dict per row.

    Raises:
        ExpressionError: Python has no object for a value, such as a time beyond the year 9999; names the column.
    """
    try:
        rows: list[dict[str, Any]] = data.to_pylist()
    except (OverflowError, ValueError) as error:
        raise _refusal(data, error) from error
    return rows


def _refusal(data: pa.RecordBatch | pa.Table, error: Exception) -> ExpressionError:
    name, wrong = next((name, value) for name in data.schema.names if (value := _wrong(data.column(name))) is not None)
    stored = getattr(wrong, "value", None)
    found = f" ({stored})" if stored is not None else ""
    advice = ".to_arrow() keeps it"
    if t.is_timestamp(wrong.type) or t.is_date(wrong.type):
        advice += f", or leave it out: .filter(col({name!r}).is_between('0001-01-01', '9999-12-31'))"
    return ExpressionError(f"column {name!r} has a {wrong.type}{found} that Python cannot hold: {error}; {advice}")


def _wrong(column: pa.Array | pa.ChunkedArray) -> pa.Scalar | None:
    """The first value that Python cannot hold."""
    for value in column:
        try:
            value.as_py()
        except (OverflowError, ValueError):
            return value
    return None
