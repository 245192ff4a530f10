"""Rows as a small table, in HTML and as text."""

from __future__ import annotations

import pyarrow as pa

from sabotnb.display import text_limits, theme
from sabotnb.expr import printable


def html(table: pa.Table) -> str:
    """All rows of ``table``, which should be few."""
    names, types = _heading(table.schema)
    return theme.table(names, _cells(table), _numeric(table.schema), types)


def text(table: pa.Table) -> str:
    """All rows of ``table`` in columns, types below the names."""
    columns = []
    cells = _cells(table)
    for at, (name, kind, right) in enumerate(zip(*_heading(table.schema), _numeric(table.schema), strict=True)):
        column = [name, kind, *(row[at] for row in cells)]
        width = max(map(len, column))
        columns.append([one.rjust(width) if right else one.ljust(width) for one in column])
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))


def _heading(schema: pa.Schema) -> tuple[list[str], list[str]]:
    names = [text_limits.cut(name, text_limits.NAME) for name in schema.names]
    return names, [text_limits.cut(str(one), text_limits.NAME) for one in schema.types]


def _numeric(schema: pa.Schema) -> list[bool]:
    types = pa.types
    return [types.is_integer(one) or types.is_floating(one) or types.is_decimal(one) for one in schema.types]


def _cells(table: pa.Table) -> list[list[str]]:
    columns = [[_written(value) for value in printable(column)] for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _written(value: object) -> str:
    written = "null" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text_limits.cut(written, text_limits.CELL)
