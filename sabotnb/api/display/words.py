"""Operators in a few words, where there is little room."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sabotnb.expr import column_name
from sabotnb.graph import EdgeType, Project, Source, Spec
from sabotnb.plan import ShuffleEdge
from sabotnb.plan.words import spread, summary

_COLUMN = re.compile(r"col\('([^'\\]+)'\)")


def brief(spec: Spec, columns: Sequence[str] = ()) -> str:
    """What the operator does to rows with these ``columns``: ``dep_delay > 15``, ``hours = air_time / 60``.

    Of a source only where it reads, because its columns are listed elsewhere; of a projection that keeps all columns
    only those that are new, of one that merely leaves some out which.
    """
    if isinstance(spec, Source):
        return summary(spec).partition(":")[0]
    text = _projection(spec, columns) if isinstance(spec, Project) else summary(spec)
    return _COLUMN.sub(r"\1", text)


def label(edge: ShuffleEdge) -> str:
    """How an edge spreads its rows (``hash(carrier)``); nothing where they stay in their task."""
    way = "" if edge.type is EdgeType.FORWARD else spread(edge.type, edge.keys)
    return ": ".join(filter(None, (edge.side, way)))


def count(rows: int) -> str:
    """``1 row``, ``336,776 rows``."""
    return f"{rows:,} row" if rows == 1 else f"{rows:,} rows"


def cut(text: str, letters: int) -> str:
    """``text``, its end replaced by an ellipsis if it is longer."""
    return text if len(text) <= letters else text[: letters - 1] + "…"


def _projection(spec: Project, columns: Iterable[str]) -> str:
    names = [name for name, _ in spec.columns]
    made = [f"{name} = {expr}" for name, expr in spec.columns if column_name(expr) != name]
    gone = [name for name in columns if name not in names]
    if made and not gone:
        return ", ".join(made)
    if not made and 0 < len(gone) < len(names):
        return f"without {', '.join(gone)}"
    return summary(spec)
