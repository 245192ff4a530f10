"""Placement strategies: pure functions that choose the agent of each slot from the free capacity.

Each strategy takes requests and nodes and returns one agent id per request, or None if they do not all fit: a job gets
every slot that it requests, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heapreplace

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
    """The free slots, cores and bytes of an agent, which offers ``slots`` slots in total."""

    agent: str
    host: str
    free: int
    slots: int
    cpu: float
    memory: int
    tags: frozenset[str] = frozenset()

    def fits(self, request: SlotRequest) -> bool:
        """True if a slot is free and the agent has every requested tag."""
        return self.free > 0 and request.tags <= self.tags

    def take(self, request: SlotRequest) -> Node:
        """The node after allocating a slot to ``request``."""
        return replace(self, free=self.free - 1, cpu=self.cpu - request.cpu, memory=self.memory - request.memory)


Strategy = Callable[[Sequence[SlotRequest], Sequence[Node]], list[str] | None]
Rank = Callable[[SlotRequest, Node, int], float | tuple[float, ...]]
"""Ranks a node for a request after so many slots were taken there: the smallest is best. Must not fall with a slot."""


def _place(requests: Sequence[SlotRequest], nodes: Sequence[Node], rank: Rank) -> list[str] | None:
    """Take the best node for each request, the first of equals; requests that few nodes can serve choose first.

    Each kind of request has a heap of nodes. An entry is ranked again only when it comes to the top after its node has
    changed, so a slot costs the logarithm of the number of nodes. This is right because ranks never fall.
    """
    offers = {request: _Offers(request, nodes, rank) for request in dict.fromkeys(requests)}
    left = list(nodes)
    given = [0] * len(nodes)
    agents = [""] * len(requests)
    for number in sorted(range(len(requests)), key=lambda number: offers[requests[number]].count):
        request = requests[number]
        index = offers[request].best(left, given)
        if index is None:
            return None
        left[index] = left[index].take(request)
        given[index] += 1
        agents[number] = left[index].agent
    return agents


class _Offers:
    """The nodes that can serve a request, by rank."""

    def __init__(self, request: SlotRequest, nodes: Sequence[Node], rank: Rank) -> None:
        self._request = request
        self._rank = rank
        fitting = [index for index, node in enumerate(nodes) if node.fits(request)]
        self._heap = [(rank(request, nodes[index], 0), index, 0) for index in fitting]
        self.count = len(fitting)
        heapify(self._heap)

    def best(self, left: Sequence[Node], given: Sequence[int]) -> int | None:
        """The index of the best node; None if no node can serve the request any more."""
        while self._heap:
            _, index, seen = self._heap[0]
            if seen == given[index]:
                return index
            if left[index].fits(self._request):
                heapreplace(self._heap, (self._rank(self._request, left[index], given[index]), index, given[index]))
            else:
                heappop(self._heap)
        return None


def round_robin(requests: Sequence[SlotRequest], nodes: Sequence[Node]) -> list[str] | None:
    """Deal requests to agents in turn, in the order given; a full agent is passed over."""
    return _place(requests, nodes, lambda _request, _node, given: given)


def least_loaded(requests: Sequence[SlotRequest], nodes: Sequence[Node]) -> list[str] | None:
    """Take the agent with the largest share of free slots, the first one of equals."""
    return _place(requests, nodes, lambda _request, node, _given: -_free_share(node))


def resource_aware(requests: Sequence[SlotRequest], nodes: Sequence[Node]) -> list[str] | None:
    """Take the agent with the most headroom in its scarcer resource, cores or memory."""

    def headroom(request: SlotRequest, node: Node) -> float:
        return min(node.cpu / max(request.cpu, 1e-9), node.memory / max(request.memory, 1))

    return _place(requests, nodes, lambda request, node, _given: -headroom(request, node))


def locality(requests: Sequence[SlotRequest], nodes: Sequence[Node]) -> list[str] | None:
    """Take the agent or host that the request prefers most; without a preferred one, the least loaded."""

    def distance(request: SlotRequest, node: Node) -> int:
        preferred = [index for index, name in enumerate(request.prefer) if name in (node.agent, node.host)]
        return min(preferred, default=len(request.prefer))

    return _place(requests, nodes, lambda request, node, _given: (distance(request, node), -_free_share(node)))


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
