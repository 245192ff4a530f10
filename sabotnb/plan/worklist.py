"""A worklist of the operators where optimizer rules are still to be tried.

Theory of operation
-------------------
The rewritings and their order are those of this loop, which costs n searches of n operators for n rewritings::

    while some rule applies: apply the first such rule at the first operator where it applies

``Worklist`` gets the same result with less work by one fact: an ``OperatorRule`` depends on an operator and its
neighbourhood only, so where it did not apply it will not apply until something near changes. Per rule:

- *marked* operators are those where the rule has to be tried. All are marked at first. Trying a rule in vain unmarks
  its operator; each rewriting marks the operators that it changed and their neighbours again, for every rule.
- A rule that looks at the whole graph (``GraphRule``) has one mark for everything. When such a rule was applied, all
  operators are marked for all rules, because there is no telling what it changed.

``JobGraph.continue_from`` finds what a rewriting changed, and lets the new graph keep the edge index and the schemas
of the old one. If a schema changed it reports every operator, as the schemas behind may have changed too.

``_rank`` orders operators as ``graph.operators`` does. Edits append to that mapping, so ``_mark`` assigns new ranks to
the marked operators at its end: added ones are among them, and the others keep their order. Entries of the heap with an
older rank are stale. Rules that go upwards need the last operator in topological order, which an edit may change
anywhere, so they keep no heap and sort on demand; up to ``FEW`` marked operators are tried first, without sorting.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from heapq import heappop, heappush
from itertools import count, takewhile

from sabotnb.graph import JobGraph
from sabotnb.plan.graph_rewrite import GraphRule, Known, OperatorRule, Rewrite, Rule

FEW = 8
"""Up to so many marked operators are all tried before the graph is sorted."""


class Worklist:
    """Applies ``rules`` to ``graph``, one rewriting at a time; ``graph`` is the graph after the last of them."""

    def __init__(self, rules: Sequence[Rule], graph: JobGraph, known: Known) -> None:
        self.graph = graph
        self._known = known
        self._rank: dict[str, int] = {}
        self._ranks = count()
        self._queues = [
            _OperatorQueue(rule, self._rank) if isinstance(rule, OperatorRule) else _GraphQueue(rule) for rule in rules
        ]
        self._mark(graph.operators)

    def apply_next(self) -> Rewrite | None:
        """Apply the first rule that applies, at the first operator where it does; None if no rule applies."""
        for queue in self._queues:
            rewrite = queue.first(self.graph, self._known)
            if rewrite is not None:
                self._continue(rewrite.graph, local=isinstance(queue, _OperatorQueue))
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
        """Mark ``names`` for every rule; operators that were added are at the end of the graph's mapping."""
        added = list(takewhile(lambda name: name in names, reversed(list(self.graph.operators))))
        for name in reversed(added):
            self._rank[name] = next(self._ranks)
        for queue in self._queues:
            queue.mark(names)


class _GraphQueue:
    """Tries a rule that looks at the whole graph."""

    def __init__(self, rule: GraphRule) -> None:
        self._rule = rule
        self._marked = True

    def mark(self, _: Collection[str]) -> None:
        self._marked = True

    def first(self, graph: JobGraph, known: Known) -> Rewrite | None:
        rewrite = self._rule(graph, known) if self._marked else None
        self._marked = rewrite is not None
        return rewrite


class _OperatorQueue:
    """Tries a rule that looks at one operator, at marked operators in the order of the graph."""

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
            rewrite = None if stale else self._try(graph, name, known)
            if rewrite is not None:
                return rewrite
            heappop(self._heap)
        return None

    def _last(self, graph: JobGraph, known: Known) -> Rewrite | None:
        self._marked &= graph.operators.keys()
        if len(self._marked) <= FEW:
            rewrites = [rewrite for name in list(self._marked) if (rewrite := self._try(graph, name, known))]
            if len(rewrites) <= 1:  # with one there is nothing to order
                return rewrites[0] if rewrites else None
        marked = (name for name in reversed(graph.topological_sort()) if name in self._marked)
        return next((rewrite for name in marked if (rewrite := self._try(graph, name, known))), None)

    def _try(self, graph: JobGraph, name: str, known: Known) -> Rewrite | None:
        rewrite = self._rule.at(graph, name, known) if name in graph.operators else None
        if rewrite is None:
            self._marked.discard(name)
        return rewrite
