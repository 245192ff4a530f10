"""Filters go into the files that can skip rows."""

from __future__ import annotations

from dataclasses import replace
from itertools import compress

from sabotnb.expr import Expr, all_of, conjuncts
from sabotnb.graph import Filter, JobGraph, Source
from sabotnb.plan.expressions import may_go_first
from sabotnb.plan.graph_rewrite import Known, OperatorRule, Rewrite, RewriteStep, removed, sole_reader, with_spec

FILTERING = frozenset({"parquet"})
"""Connectors that skip what their statistics exclude; all apply ``Source.predicate`` exactly."""

FOLDERS = "hive"
"""Option of files in folders such as ``y=2024``, which any connector skips if the predicate excludes their values."""

PACED = ("rate", "speed", "follow")
"""Options by which rows are due one after another, whether they pass the filter or not."""


def _filter(graph: JobGraph, name: str, _: Known) -> Rewrite | None:
    """Move conjuncts of a filter into ``Source.predicate``, except for those that must not see more rows than before.

    A source with an event time keeps all its rows: lateness goes by the largest time before each row.
    """
    operator = graph.operators[name]
    source, edge = operator.spec, sole_reader(graph, name)
    if not isinstance(source, Source) or edge is None or not _can_filter(source):
        return None
    below = graph.operators[edge.down]
    if not isinstance(below.spec, Filter) or below.placed:
        return None
    parts = conjuncts(below.spec.predicate)
    free = may_go_first(parts, source.schema)
    if not any(free):
        return None
    pushed, kept = [*compress(parts, free)], [part for part, goes in zip(parts, free, strict=True) if not goes]
    rewritten = with_spec(graph, operator.id, replace(source, predicate=_and(source.predicate, pushed)))
    rewritten = with_spec(rewritten, below.id, Filter(all_of(kept))) if kept else removed(rewritten, below.id)
    text = f"reads only rows with {all_of(pushed)}"
    gone = () if kept else (below.id,)
    return Rewrite(rewritten, (RewriteStep("filter files", operator.id, text, len(parts), len(kept), gone),))


filter_files = OperatorRule(_filter)


def _can_filter(source: Source) -> bool:
    paced = any(source.options.get(option) for option in PACED)
    skips = source.connector in FILTERING or FOLDERS in source.options
    return skips and source.event_time is None and not paced


def _and(predicate: Expr | None, more: list[Expr]) -> Expr:
    return all_of([predicate, *more] if predicate is not None else more)
