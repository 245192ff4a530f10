"""A few rows as a text table, to show beside an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

_ROWS = 5
_COLUMNS = 12
_WIDTH = 32
_LINE = 100


def sample_of(batch: pa.RecordBatch, rows: int = _ROWS) -> str:
    """The first ``rows`` rows as a text table: a line of names, then a line per row."""
    few = batch.slice(0, rows).to_pylist()
    names = batch.schema.names[:_COLUMNS]
    return text_table(names, few, more_columns=len(batch.schema.names) - len(names))


def text_table(names: Sequence[str], rows: Sequence[Mapping[str, Any]], more_columns: int = 0) -> str:
    """Columns aligned, long values cut; a line for each column where a line for each row would be too long."""
    cells = [[_cut(name) for name in names], *([_cut(row.get(name)) for name in names] for row in rows)]
    if more_columns:
        cells = [[*line, "..."] for line in cells]
    widths = _widths(cells)
    if sum(widths) + 2 * len(widths) > _LINE:
        cells = [list(column) for column in zip(*cells, strict=True)]
        widths = _widths(cells)
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def _widths(cells: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*cells, strict=True)]


def _cut(value: Any) -> str:
    text = "null" if value is None else str(value).replace("\n", " ")
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."
