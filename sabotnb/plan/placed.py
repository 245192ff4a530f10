"""Where the tasks of an execution graph are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sabotnb.plan.execution_graph import ExecutionGraph
from sabotnb.protocol import AgentInfo


@dataclass(frozen=True, slots=True)
class Placed:
    """A graph, for each vertex the agent of each task (``placement``), and how ``agents`` are reached."""

    graph: ExecutionGraph
    placement: Mapping[str, tuple[str, ...]]
    agents: Mapping[str, AgentInfo]
