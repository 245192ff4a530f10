"""Operators in a few words, where there is little room."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sabotnb.display import text_limits
from sabotnb.expr import column_name
from sabotnb.graph import Aggregate, EdgeType, Join, Project, Sink, Source, Spec
from sabotnb.plan import ShuffleEdge, spread, summary

_COLUMN = re.compile(r"col\('([^'\\]+)'\)")


def brief(spec: Spec, columns: Sequence[str] = ()) -> str:
    """What the operator does to rows with these ``columns``: ``dep_delay > 15``, ``hours = air_time / 60``.

    Of a source only where it reads, because its columns are listed elsewhere; of a projection that keeps all columns
    only those that are new, of one that merely leaves some out which. Keys and the way of a join are said by edges.
    """
    match spec:
        case Source():
            return summary(spec).partition(":")[0]
        case Aggregate(columns=made) if len(made) > 1:
            return ", ".join(one.name for one in made)
        case Aggregate():
            return summary(spec).partition(": ")[2]
        case Join():
            return summary(replace(spec, strategy="auto"))
    text = _projection(spec, columns) if isinstance(spec, Project) else summary(spec)
    return _COLUMN.sub(r"\1", text)


def role(spec: Spec) -> str:
    """Where an operator stands in a job: source, sink or operator."""
    return "source" if isinstance(spec, Source) else "sink" if isinstance(spec, Sink) else "operator"


def label(edge: ShuffleEdge) -> str:
    """How an edge spreads its rows (``hash(carrier)``); nothing where they stay in their task."""
    way = "" if edge.type is EdgeType.FORWARD else spread(edge.type, edge.keys)
    return text_limits.cut(": ".join(filter(None, (edge.side, way))), text_limits.LABEL)


def count(rows: int) -> str:
    """``1 row``, ``336,776 rows``."""
    return counted(rows, "row")


def counted(number: int, thing: str) -> str:
    """``1 task``, ``4 tasks``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _projection(spec: Project, columns: Iterable[str]) -> str:
    names = [name for name, _ in spec.columns]
    made = [f"{name} = {expr}" for name, expr in spec.columns if column_name(expr) != name]
    gone = [name for name in columns if name not in names]
    if made and not gone:
        return ", ".join(made)
    if not made and 0 < len(gone) < len(names):
        return f"without {', '.join(gone)}"
    return summary(spec)
