"""Where rules are still to be tried, so that n rewritings do not search n operators each.

The rewritings and their order are those of the plain loop: take the first rule that applies anywhere, at the first
operator where it applies, and begin again. An operator where a rule did not apply is left out until something near it
changes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from heapq import heappop, heappush
from itertools import count, takewhile

from sabotnb.graph import JobGraph
from sabotnb.plan.graph_rewrite import GraphRule, Known, OperatorRule, Rewrite, Rule

FEW = 8
"""Operators that are all tried before their order is asked for."""


class Worklist:
    """Applies ``rules`` to ``graph``, one at a time; after each, ``graph`` is the graph behind it."""

    def __init__(self, rules: Sequence[Rule], graph: JobGraph, known: Known) -> None:
        self.graph = graph
        self._known = known
        self._rank: dict[str, int] = {}
        self._ranks = count()
        self._places = [
            _Everywhere(rule, self._rank) if isinstance(rule, OperatorRule) else _Once(rule) for rule in rules
        ]
        self._mark(graph.operators)

    def apply_next(self) -> Rewrite | None:
        """The first application of the first rule that has one; None if none has."""
        for places in self._places:
            rewrite = places.first(self.graph, self._known)
            if rewrite is not None:
                self._continue(rewrite.graph, local=isinstance(places, _Everywhere))
                return rewrite
        return None

    def _continue(self, graph: JobGraph, *, local: bool) -> None:
        before, self.graph = self.graph, graph
        if not local:
            self._mark(graph.operators)
            return
        changed = graph.continue_from(before)
        near = {edge.down for name in changed for edge in graph.outputs(name)}
        near |= {edge.up for name in changed for edge in graph.inputs(name)}
        self._mark(changed | near)

    def _mark(self, names: Collection[str]) -> None:
        """Rules are to be tried at ``names``; those that were added stand at the end of the graph's operators."""
        added = list(takewhile(lambda name: name in names, reversed(list(self.graph.operators))))
        for name in reversed(added):
            self._rank[name] = next(self._ranks)
        for places in self._places:
            places.mark(names)


class _Once:
    """A rule that looks at the whole graph."""

    def __init__(self, rule: GraphRule) -> None:
        self._rule = rule
        self._marked = True

    def mark(self, _: Collection[str]) -> None:
        self._marked = True

    def first(self, graph: JobGraph, known: Known) -> Rewrite | None:
        rewrite = self._rule(graph, known) if self._marked else None
        self._marked = rewrite is not None
        return rewrite


class _Everywhere:
    """A rule that looks at one operator: a heap of those where it is to be tried, by the order of the graph."""

    def __init__(self, rule: OperatorRule, rank: Mapping[str, int]) -> None:
        self._rule = rule
        self._rank = rank
        self._marked: set[str] = set()
        self._heap: list[tuple[int, str]] = []

    def mark(self, names: Collection[str]) -> None:
        self._marked.update(names)
        if not self._rule.upwards:
            for name in names:
                heappush(self._heap, (self._rank[name], name))

    def first(self, graph: JobGraph, known: Known) -> Rewrite | None:
        return self._last(graph, known) if self._rule.upwards else self._lowest(graph, known)

    def _lowest(self, graph: JobGraph, known: Known) -> Rewrite | None:
        while self._heap:
            rank, name = self._heap[0]
            stale = name not in self._marked or self._rank[name] != rank
            rewrite = None if stale else self._tried(graph, name, known)
            if rewrite is not None:
                return rewrite
            heappop(self._heap)
        return None

    def _last(self, graph: JobGraph, known: Known) -> Rewrite | None:
        self._marked &= graph.operators.keys()  # no heap: topological order changes
        if len(self._marked) <= FEW:
            made = [rewrite for name in list(self._marked) if (rewrite := self._tried(graph, name, known))]
            if len(made) <= 1:
                return made[0] if made else None
        marked = (name for name in reversed(graph.topological_sort()) if name in self._marked)
        return next((rewrite for name in marked if (rewrite := self._tried(graph, name, known))), None)

    def _tried(self, graph: JobGraph, name: str, known: Known) -> Rewrite | None:
        rewrite = self._rule.at(graph, name, known) if name in graph.operators else None
        if rewrite is None:
            self._marked.discard(name)
        return rewrite
