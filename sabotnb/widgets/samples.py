"""Rows as text for a page: cut where they are long, so that no message is large."""

from __future__ import annotations

import pyarrow as pa

from sabotnb import text_limits
from sabotnb.expr import printable
from sabotnb.widgets.messages import ColumnMessage

CELLS = 20_000
"""The maximum number of cells: a wide table has fewer rows."""


def columns(schema: pa.Schema) -> tuple[ColumnMessage, ...]:
    """Return the name and the type of every column."""
    return tuple(ColumnMessage(cut(field.name), cut(str(field.type)), _numeric(field.type)) for field in schema)


def rows(table: pa.Table, most: int) -> tuple[tuple[str | None, ...], ...]:
    """Return the last rows of ``table``, at most ``most``, as text; None is null."""
    count = max(1, min(most, CELLS // max(1, table.num_columns)))
    last = table.slice(max(0, table.num_rows - count))
    return tuple(zip(*([_as_text(value) for value in printable(column)] for column in last.columns), strict=True))


def cut(text: str) -> str:
    """Return a value cut to what a table shows."""
    return text_limits.cut(text, text_limits.SAMPLE_CELL)


def _numeric(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _as_text(value: object) -> str | None:
    if value is None:
        return None
    return cut(f"{value:.6g}" if isinstance(value, float) else str(value))
