"""Placement strategies: which agent gives the next slot. Pure functions of what is free.

Each strategy takes requests and nodes and returns one agent id per request, or None if not all of them fit: a job gets
every slot that it asks for or none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sabotnb.errors import GraphError


@dataclass(frozen=True, slots=True)
class SlotRequest:
    """One slot. ``cpu`` in cores and ``memory`` in bytes rank nodes (``resource_aware``); ``tags`` are required.

    ``prefer`` names hosts or agents near the data, best first (``locality``).
    """

    cpu: float = 0.5
    memory: int = 256 << 20
    sharing_group: str = "default"
    tags: frozenset[str] = frozenset()
    prefer: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """What an agent has left: slots, cores and bytes, of which it offered ``slots`` slots in all."""

    agent: str
    host: str
    free: int
    slots: int
    cpu: float
    memory: int
    tags: frozenset[str] = frozenset()

    def fits(self, request: SlotRequest) -> bool:
        """True if a slot is free and every tag is there."""
        return self.free > 0 and request.tags <= self.tags

    def take(self, request: SlotRequest) -> Node:
        """The node after giving a slot to ``request``."""
        return replace(self, free=self.free - 1, cpu=self.cpu - request.cpu, memory=self.memory - request.memory)


Choice = Callable[[SlotRequest, Sequence[Node], int], Node]
Strategy = Callable[[Sequence[SlotRequest], Sequence[Node]], list[str] | None]


def _place(requests: Sequence[SlotRequest], nodes: Sequence[Node], choose: Choice) -> list[str] | None:
    left = {node.agent: node for node in nodes}
    agents: list[str] = []
    for number, request in enumerate(requests):
        candidates = [node for node in left.values() if node.fits(request)]
        if not candidates:
            return None
        node = choose(request, candidates, number)
        left[node.agent] = node.take(request)
        agents.append(node.agent)
    return agents


def round_robin(requests: Sequence[SlotRequest], nodes: Sequence[Node]) -> list[str] | None:
    """Deal requests to agents in turn, in the order given; a full agent is passed over."""
    turn = {node.agent: place for place, node in enumerate(nodes)}
    given = dict.fromkeys(turn, 0)

    def choose(_request: SlotRequest, candidates: Sequence[Node], _number: int) -> Node:
        node = min(candidates, key=lambda node: (given[node.agent], turn[node.agent]))
        given[node.agent] += 1
        return node

    return _place(requests, nodes, choose)


def least_loaded(requests: Sequence[SlotRequest], nodes: Sequence[Node]) -> list[str] | None:
    """Take the agent with the largest share of free slots, the first one of equals."""
    return _place(requests, nodes, lambda _request, candidates, _number: max(candidates, key=_free_share))


def resource_aware(requests: Sequence[SlotRequest], nodes: Sequence[Node]) -> list[str] | None:
    """Take the agent that has most left of what would run out first there, cores or memory."""

    def headroom(request: SlotRequest, node: Node) -> float:
        return min(node.cpu / max(request.cpu, 1e-9), node.memory / max(request.memory, 1))

    return _place(
        requests, nodes, lambda request, candidates, _number: max(candidates, key=lambda node: headroom(request, node))
    )


def locality(requests: Sequence[SlotRequest], nodes: Sequence[Node]) -> list[str] | None:
    """Take the agent or host that the request prefers most; without a preferred one, the least loaded."""

    def distance(request: SlotRequest, node: Node) -> int:
        places = [place for place, name in enumerate(request.prefer) if name in (node.agent, node.host)]
        return min(places, default=len(request.prefer))

    return _place(
        requests,
        nodes,
        lambda request, candidates, _number: min(
            candidates, key=lambda node: (distance(request, node), -_free_share(node))
        ),
    )


def _free_share(node: Node) -> float:
    return node.free / node.slots


STRATEGIES: dict[str, Strategy] = {
    strategy.__name__: strategy for strategy in (round_robin, least_loaded, resource_aware, locality)
}


def strategy(name: str) -> Strategy:
    """The strategy of that name; GraphError lists the names there are."""
    try:
        return STRATEGIES[name]
    except KeyError:
        raise GraphError(f"no placement strategy {name!r}; use one of: {', '.join(STRATEGIES)}") from None
