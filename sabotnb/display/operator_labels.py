"""Short texts that describe operators and edges in boxes, labels and tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sabotnb import text_limits
from sabotnb.expr import Expr, column_name
from sabotnb.graph import Aggregate, EdgeType, Join, Project, Sink, Source, Spec
from sabotnb.plan import ShuffleEdge, spread, summary

_COLUMN = re.compile(r"col\('([^'\\]+)'\)")


def brief(spec: Spec, columns: Sequence[str] = ()) -> str:
    """Return what the operator does to rows with these ``columns``: ``dep_delay > 15``, ``hours = air_time / 60``.

    For a source, only what it reads, because its columns are listed elsewhere. For a projection, only the new columns
    if it keeps all others, or only the removed ones if it adds none. Keys and strategies are on the edges.
    """
    match spec:
        case Source():
            return summary(spec).partition(":")[0]
        case Aggregate(columns=outputs) if len(outputs) > 1:
            return ", ".join(output.name for output in outputs)
        case Aggregate():
            return summary(spec).partition(": ")[2]
        case Join():
            return summary(replace(spec, strategy="auto"))
    text = _projection(spec, columns) if isinstance(spec, Project) else summary(spec)
    return _COLUMN.sub(r"\1", text)


def condition(predicate: Expr) -> str:
    """Return a condition in a line, with plain names of columns: ``month == 1``."""
    return text_limits.cut(_COLUMN.sub(r"\1", str(predicate)), text_limits.LABEL)


def role(spec: Spec) -> str:
    """Return the role of an operator in a job: source, sink or operator."""
    return "source" if isinstance(spec, Source) else "sink" if isinstance(spec, Sink) else "operator"


def label(edge: ShuffleEdge) -> str:
    """Return how an edge partitions rows (``hash(carrier)``); empty if they stay in their task."""
    partitioning = "" if edge.type is EdgeType.FORWARD else spread(edge.type, edge.keys)
    return text_limits.cut(": ".join(filter(None, (edge.side, partitioning))), text_limits.LABEL)


def count(rows: int) -> str:
    """Return a number of rows: ``1 row``, ``336,776 rows``."""
    return counted(rows, "row")


def counted(number: int, noun: str) -> str:
    """Return a number of things: ``1 task``, ``4 tasks``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _projection(spec: Project, columns: Iterable[str]) -> str:
    names = [name for name, _ in spec.columns]
    added = [f"{name} = {expr}" for name, expr in spec.columns if column_name(expr) != name]
    removed = [name for name in columns if name not in names]
    if added and not removed:
        return ", ".join(added)
    if not added and 0 < len(removed) < len(names):
        return f"without {', '.join(removed)}"
    return summary(spec)
