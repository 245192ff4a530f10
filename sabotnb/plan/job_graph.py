"""The job graph as users meet it: it also knows what it becomes."""

from __future__ import annotations

from dataclasses import dataclass

from sabotnb.graph import JobGraph
from sabotnb.plan.execution_graph import ExecutionGraph
from sabotnb.plan.physical import KEY_GROUPS, physical


@dataclass(frozen=True, slots=True)
class PlannedJobGraph(JobGraph):
    """A ``JobGraph`` with ``to_execution_graph``, which the graph room cannot have: it lies below the plan room."""

    def to_execution_graph(self, parallelism: int = 1, groups: int = KEY_GROUPS) -> ExecutionGraph:
        """Validate and expand as written: nothing is rewritten, every operator is a vertex of its own.

        Operators that say nothing about it get ``parallelism``. What runs from a ``Stream`` is optimized and chained
        before (``plan.optimize``, ``plan.physical``). Raises what ``validate`` raises.
        """
        self.validate()
        return physical(self, parallelism, groups, chain=False)
