"""Errors about columns and types: the user's line, a caret under the name, the nearest name, the known names."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from sabotnb import text_limits
from sabotnb.blobs import Origin
from sabotnb.errors import ColumnNotFound, DuplicateColumn, TypeMismatch
from sabotnb.expr.expression_nodes import Column, Node, walk
from sabotnb.expr.written_text import as_code

_MOST_COLUMNS = 16


def column_not_found(name: str, schema: pa.Schema, origin: Origin | None = None) -> ColumnNotFound:
    """The error for a ``name`` that ``schema`` lacks; ``origin`` is where the name was written."""
    near = nearest(name, schema.names)
    hint = f"did you mean {near!r} ({schema.field(near).type})? " if near is not None else ""
    hint = as_code(name, schema.names) or hint
    has = "It has: " + listed(schema.names) if schema.names else "The stream has no columns"
    return ColumnNotFound(pointed(repr(name), f"{hint}{has}", name, origin))


def duplicate_column(name: str, advice: str, origin: Origin | None = None) -> DuplicateColumn:
    """The error for two columns that would both be named ``name``."""
    return DuplicateColumn(pointed(f"two columns are named {name!r}", advice, name, origin))


def type_mismatch(problem: str, node: Node) -> TypeMismatch:
    """The error for ``problem``, which ends with what to do; the caret is under the first column of ``node``."""
    column = next((part for part in walk(node) if isinstance(part, Column) and part.origin is not None), None)
    name, origin = (column.name, column.origin) if column is not None else ("", None)
    headline, _, rest = problem.partition("\n")
    return TypeMismatch(pointed(headline, rest, name, origin))


def pointed(headline: str, rest: str, name: str, origin: Origin | None) -> str:
    """``headline`` with its cell and line, the source line with carets under ``name``, then ``rest``."""
    if origin is None:
        return "\n".join(filter(None, [headline, rest]))
    return "\n".join(filter(None, [f"{headline}  {origin.where}", *_carets(name, origin.code), rest]))


def _carets(name: str, code: str) -> list[str]:
    line = code.strip()
    quoted = next((text for text in (f'"{name}"', f"'{name}'") if name and text in line), None)
    if quoted is None:
        return [f"    {line}"] if 0 < len(line) <= text_limits.SOURCE_LINE else []
    at = line.index(quoted) + 1
    if len(line) > text_limits.SOURCE_LINE:  # the part around the name
        start = max(0, at - text_limits.SOURCE_LINE // 2)
        line, at = f"...{line[start : start + text_limits.SOURCE_LINE]}...", at - start + 3
    return [f"    {line}", f"    {' ' * at}{'^' * len(name)}"]


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name in ``names`` that ``name`` may be a misspelling of; None if none is near."""
    import difflib

    lowered = {other.lower(): other for other in names}
    found = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return lowered[found[0]] if found else None


def listed(names: list[str]) -> str:
    """The first few ``names``, and how many more there are."""
    shown = ", ".join(names[:_MOST_COLUMNS])
    rest = len(names) - _MOST_COLUMNS
    return f"{shown} and {rest} more" if rest > 0 else shown
