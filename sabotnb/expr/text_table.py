"""Write a few rows as a text table, to show with an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from sabotnb import text_limits

_ROWS = 5
_COLUMNS = 12


def sample_of(batch: pa.RecordBatch, rows: int = _ROWS) -> str:
    """Return the first ``rows`` rows as a text table: a line of names, then a line per row. Never raises."""
    names = batch.schema.names[:_COLUMNS]
    columns = [printable(batch.column(number).slice(0, rows)) for number in range(len(names))]
    few = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    return text_table(names, few, more_columns=len(batch.schema.names) - len(names))


def printable(values: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Return Python values to show to people, and a description where Python has no value. Never raises.

    Python has no dates beyond the year 9999, no text that is not UTF-8, no zone that it does not know.
    """
    try:
        return list(values.to_pylist())
    except Exception:  # noqa: BLE001  one bad value must not hide the others
        return [_printable(value) for value in values]


def _printable(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except Exception:  # noqa: BLE001  see printable
        number = getattr(value, "value", None)
        return f"<{value.type}>" if number is None else f"<{value.type}: {number}>"


def text_table(names: Sequence[str], rows: Sequence[Mapping[str, Any]], more_columns: int = 0) -> str:
    """Align columns and cut long values; one line per column if a line per row would be too long."""
    cells = [[_cut(name) for name in names], *([_cut(row.get(name)) for name in names] for row in rows)]
    if more_columns:
        cells = [[*line, "..."] for line in cells]
    widths = _widths(cells)
    if sum(widths) + 2 * len(widths) > text_limits.ROWS_LINE:
        cells = [list(column) for column in zip(*cells, strict=True)]
        widths = _widths(cells)
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def _widths(cells: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*cells, strict=True)]


def _cut(value: Any) -> str:
    text = "null" if value is None else str(value).replace("\n", " ")
    return text_limits.within(text, text_limits.ROWS_CELL)
