"""An execution graph with the agent of each task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sabotnb.plan.execution_graph import ExecutionGraph
from sabotnb.protocol import AgentInfo


@dataclass(frozen=True, slots=True)
class Placed:
    """A graph, the agent of each task by vertex (``placement``), and the addresses of the ``agents``."""

    graph: ExecutionGraph
    placement: Mapping[str, tuple[str, ...]]
    agents: Mapping[str, AgentInfo]
