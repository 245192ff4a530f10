"""A worklist of the operators where optimizer rules are still to be tried.

Theory of operation
-------------------
The rewritings and their order are those of this loop, which costs n searches of n operators for n rewritings::

    while some rule applies: apply the first such rule at the first operator where it applies

``Worklist`` gets the same result with less work by one fact: an ``OperatorRule`` depends on an operator and its
neighbourhood only, so where it did not apply it will not apply until something near changes. Per rule:

- *marked* operators are those where the rule has to be tried. All are marked at first. Trying a rule in vain unmarks
  its operator. Each rewriting marks again, for every rule: the operators that it changed and their neighbours, and the
  ends of the edges that it changed. An end alone does not mark its neighbours, or each edit beside an operator with
  thousands of readers would mark them all.
- A rule that looks at the whole graph (``GraphRule``) has one mark for everything. When such a rule was applied, all
  operators are marked for all rules, because there is no telling what it changed.

Rules of operators edit one ``GraphDraft``, whose ``settle`` says what a rewriting changed.

A rank orders the operators of each kind of rule; entries of a heap with an older rank are stale. ``_rank`` follows
``draft.operators``, where new operators are at the end. ``_height`` is for rules that go upwards: the last operator in
topological order is the lowest. The order is that of the graph when the draft was made, since rewritings keep it: they
remove operators, or insert one before another, whose height it shares.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from heapq import heappop, heappush
from itertools import count

from sabotnb.graph import JobGraph
from sabotnb.plan.graph_draft import Changes, GraphDraft
from sabotnb.plan.graph_rewrite import GraphRule, Known, OperatorRule, Rewrite, RewriteStep, Rule


class Worklist:
    """Applies ``rules`` to ``graph``, one rewriting at a time."""

    def __init__(self, rules: Sequence[Rule], graph: JobGraph, known: Known) -> None:
        self._known = known
        self._rank: dict[str, int] = {}
        self._height: dict[str, int] = {}
        self._queues = [
            _OperatorQueue(rule, self._height if rule.upwards else self._rank)
            if isinstance(rule, OperatorRule)
            else _GraphQueue(rule)
            for rule in rules
        ]
        self._begin(graph)

    def graph(self) -> JobGraph:
        """Return the graph after the last rewriting."""
        return self._draft.frozen()

    def apply_next(self) -> Sequence[RewriteStep]:
        """Apply the first rule that applies, at the first operator where it does; no steps if no rule applies."""
        for queue in self._queues:
            if isinstance(queue, _GraphQueue):
                rewrite = queue.applied(self._draft, self._known)
                if rewrite is not None:
                    self._begin(rewrite.graph)
                    return rewrite.steps
            else:
                step = queue.applied(self._draft, self._known)
                if step is not None:
                    self._continue(self._draft.settle())
                    return (step,)
        return ()

    def _begin(self, graph: JobGraph) -> None:
        """Start from ``graph``: every rule has to be tried everywhere."""
        self._draft = GraphDraft(graph)
        self._ranks = count()
        self._rank.clear()
        self._rank.update(zip(graph.operators, self._ranks, strict=False))
        self._height.clear()
        self._height.update(zip(reversed(graph.topological_sort()), count(), strict=False))
        self._mark(graph.operators)

    def _continue(self, changes: Changes) -> None:
        for name in changes.added:
            self._rank[name] = next(self._ranks)
        for name in reversed(changes.added):  # of two in a row, the lower one was inserted last
            self._height[name] = min(self._height[edge.down] for edge in self._draft.outputs(name))
        if changes.everything:
            self._mark(self._draft.operators)
            return
        near = {edge.down for name in changes.operators for edge in self._draft.outputs(name)}
        near |= {edge.up for name in changes.operators for edge in self._draft.inputs(name)}
        self._mark(near.union(changes.operators, changes.ends))

    def _mark(self, names: Collection[str]) -> None:
        for queue in self._queues:
            queue.mark(names)


class _GraphQueue:
    """Tries a rule that looks at the whole graph."""

    def __init__(self, rule: GraphRule) -> None:
        self._rule = rule
        self._marked = True

    def mark(self, _: Iterable[str]) -> None:
        self._marked = True

    def applied(self, draft: GraphDraft, known: Known) -> Rewrite | None:
        rewrite = self._rule(draft.frozen(), known) if self._marked else None
        self._marked = False
        return rewrite


class _OperatorQueue:
    """Tries a rule that looks at one operator, at marked operators in the order of ``rank``."""

    def __init__(self, rule: OperatorRule, rank: Mapping[str, int]) -> None:
        self._rule = rule
        self._rank = rank
        self._marked: set[str] = set()
        self._heap: list[tuple[int, str]] = []

    def mark(self, names: Iterable[str]) -> None:
        self._marked.update(names)
        for name in names:
            heappush(self._heap, (self._rank[name], name))

    def applied(self, draft: GraphDraft, known: Known) -> RewriteStep | None:
        while self._heap:
            rank, name = self._heap[0]
            if name in self._marked and self._rank[name] == rank and name in draft.operators:
                step = self._rule.at(draft, name, known)
                if step is not None:
                    return step
                self._marked.discard(name)
            heappop(self._heap)
        return None
