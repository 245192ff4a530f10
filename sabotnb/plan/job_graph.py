"""The job graph as users meet it: it also knows what it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sabotnb.graph import JobGraph
from sabotnb.plan.execution_graph import ExecutionGraph
from sabotnb.plan.explain.to_graphviz import digraph
from sabotnb.plan.physical import KEY_GROUPS, physical

if TYPE_CHECKING:  # a name in annotations alone
    from graphviz import Digraph


@dataclass(frozen=True, slots=True)
class PlannedJobGraph(JobGraph):
    """A ``JobGraph`` with what the graph room cannot have, because it lies below the plan room."""

    def to_execution_graph(self, parallelism: int = 1, groups: int = KEY_GROUPS) -> ExecutionGraph:
        """Validate and expand as written: nothing is rewritten, every operator is a vertex of its own.

        Operators that say nothing about it get ``parallelism``. What runs from a ``Stream`` is optimized and chained
        before (``plan.optimize``, ``plan.physical``). Raises what ``validate`` raises.
        """
        self.validate()
        return physical(self, parallelism, groups, chain=False)

    def to_graphviz(self) -> Digraph:
        """The graph as written, for Graphviz: ``.source`` is its text; to draw it needs Graphviz's own programs."""
        return digraph(self)
