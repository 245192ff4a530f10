"""Move filters into sources that can skip rows."""

from __future__ import annotations

from dataclasses import replace
from itertools import compress

from sabotnb.expr import Expr, all_of, conjuncts
from sabotnb.graph import Filter, Source
from sabotnb.plan.expressions import may_go_first
from sabotnb.plan.graph_draft import GraphDraft
from sabotnb.plan.graph_rewrite import Known, OperatorRule, RewriteStep, sole_reader

SKIPPING_CONNECTORS = frozenset({"parquet"})
"""Connectors that skip row groups by their statistics; each also applies ``Source.predicate`` to every row."""

FOLDER_OPTION = "hive"
"""Option of files in folders such as ``y=2024``: any connector skips a folder whose value the predicate excludes."""

PACING_OPTIONS = ("rate", "speed", "follow")
"""Options that pace rows, which must count whether they pass the filter or not."""


def _filter(graph: GraphDraft, name: str, _: Known) -> RewriteStep | None:
    """Move conjuncts of a filter into ``Source.predicate``, except for those that must not see more rows than before.

    The clock of event time runs over the rows before ``Source.predicate``, so it decides the same rows to be late.
    """
    operator = graph.operators[name]
    source, edge = operator.spec, sole_reader(graph, name)
    if not isinstance(source, Source) or edge is None or not _can_filter(source):
        return None
    below = graph.operators[edge.down]
    if not isinstance(below.spec, Filter) or below.placed:
        return None
    conditions = conjuncts(below.spec.predicate)
    movable = may_go_first(conditions, source.schema)
    if not any(movable):
        return None
    pushed = [*compress(conditions, movable)]
    kept = [condition for condition, moves in zip(conditions, movable, strict=True) if not moves]
    graph.set_spec(operator.id, replace(source, predicate=_and(source.predicate, pushed)))
    if kept:
        graph.set_spec(below.id, Filter(all_of(kept)))
    else:
        graph.remove(below.id)
    text = f"reads only rows with {all_of(pushed)}"
    gone = () if kept else (below.id,)
    return RewriteStep("filter files", operator.id, text, len(conditions), len(kept), gone)


filter_files = OperatorRule(_filter)


def _can_filter(source: Source) -> bool:
    paced = any(source.options.get(option) for option in PACING_OPTIONS)
    skips = source.connector in SKIPPING_CONNECTORS or FOLDER_OPTION in source.options
    return skips and not paced


def _and(predicate: Expr | None, more: list[Expr]) -> Expr:
    return all_of([predicate, *more] if predicate is not None else more)
