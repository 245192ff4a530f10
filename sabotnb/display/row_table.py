"""Renders rows as a small table, in HTML and as text."""

from __future__ import annotations

import pyarrow as pa

from sabotnb import text_limits
from sabotnb.display import theme
from sabotnb.expr import printable


def html(table: pa.Table) -> str:
    """Return all rows of ``table`` as HTML; the table should be small."""
    names, types = _heading(table.schema)
    return theme.table(names, _cells(table), _numeric(table.schema), types)


def text(table: pa.Table) -> str:
    """Return all rows of ``table`` as aligned text, types below the names."""
    columns = []
    cells = _cells(table)
    for at, (name, kind, right) in enumerate(zip(*_heading(table.schema), _numeric(table.schema), strict=True)):
        column = [name, kind, *(row[at] for row in cells)]
        width = max(map(len, column))
        columns.append([cell.rjust(width) if right else cell.ljust(width) for cell in column])
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))


def _heading(schema: pa.Schema) -> tuple[list[str], list[str]]:
    names = [text_limits.cut(name, text_limits.NAME) for name in schema.names]
    return names, [text_limits.cut(str(kind), text_limits.NAME) for kind in schema.types]


def _numeric(schema: pa.Schema) -> list[bool]:
    types = pa.types
    return [types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) for kind in schema.types]


def _cells(table: pa.Table) -> list[list[str]]:
    columns = [[_written(value) for value in printable(column)] for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _written(value: object) -> str:
    text = "null" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text_limits.cut(text, text_limits.CELL)
