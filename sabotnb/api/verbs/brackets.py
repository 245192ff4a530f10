"""Hints for ``stream[...]``: the verb to write instead."""

from __future__ import annotations

from typing import Any

from sabotnb.expr import Expr


def instead(key: Any) -> str:
    """The verb that does what ``[key]`` does in other libraries."""
    match key:
        case str():
            return f"a column is col({key!r}) in an expression, or a stream of its own: .select({key!r})"
        case Expr():
            return f"keep rows that fulfil a condition: .filter({key})"
        case list() | tuple() if key and all(isinstance(name, str) for name in key):
            return f"choose columns: .select({', '.join(map(repr, key))})"
        case slice(stop=int(rows)) if rows > 0:
            return f"look at the first rows: .head({rows})"
        case _:
            return "look at the first rows, or choose columns: .head(5), .select('x')"
