"""The slot pool: what agents offer, who holds it, and all-or-nothing allocation.

A slot holds a thread per task and at most one task of each vertex of a sharing group, so a job needs, for each group,
as many slots as the group's largest parallelism.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sabotnb.execution.placement import Node, SlotRequest, Strategy, round_robin
from sabotnb.protocol import AgentInfo, VertexNeeds


@dataclass(frozen=True, slots=True)
class Slot:
    """Slot ``index`` of an agent."""

    agent: str
    index: int


@dataclass(frozen=True, slots=True)
class SlotStatistics:
    """How full the pool is; ``holders`` counts slots per job."""

    total: int
    free: int
    nodes: int
    holders: Mapping[str, int]

    @property
    def utilization(self) -> float:
        """Share of slots that are held, 0 for an empty pool."""
        return (self.total - self.free) / self.total if self.total else 0.0


class SlotPool:
    """Slots by agent. Not thread-safe: it belongs to the machine."""

    def __init__(self) -> None:
        self._nodes: dict[str, AgentInfo] = {}
        self._held: dict[Slot, tuple[str, SlotRequest]] = {}
        self._closed: set[str] = set()

    def register_node(self, agent: AgentInfo) -> None:
        """Add an agent's slots."""
        self._nodes[agent.id] = agent

    def close_node(self, agent: str) -> None:
        """Give away no more slots of an agent; what is held there stays held."""
        self._closed.add(agent)

    def unregister_node(self, agent: str) -> frozenset[str]:
        """Remove an agent with everything held there; returns the jobs that lost slots."""
        self._nodes.pop(agent, None)
        self._closed.discard(agent)
        lost = [slot for slot in self._held if slot.agent == agent]
        return frozenset(self._held.pop(slot)[0] for slot in lost)

    def request(self, job: str, requests: Sequence[SlotRequest], strategy: Strategy = round_robin) -> list[Slot] | None:
        """Give ``job`` one slot per request, or nothing at all (None) if they do not all fit."""
        agents = strategy(requests, [node for node in self.nodes() if node.agent not in self._closed])
        if agents is None:
            return None
        slots = []
        for agent, request in zip(agents, requests, strict=True):
            slot = next(slot for slot in self._all(agent) if slot not in self._held)
            self._held[slot] = (job, request)
            slots.append(slot)
        return slots

    def release(self, job: str) -> None:
        """Free everything that ``job`` holds."""
        self._held = {slot: holder for slot, holder in self._held.items() if holder[0] != job}

    def nodes(self) -> list[Node]:
        """What each agent has left, in order of registration."""
        return [self._node(agent) for agent in self._nodes.values()]

    def statistics(self) -> SlotStatistics:
        """How full the pool is now."""
        total = sum(agent.slots for agent in self._nodes.values())
        holders: dict[str, int] = {}
        for job, _request in self._held.values():
            holders[job] = holders.get(job, 0) + 1
        return SlotStatistics(total, total - len(self._held), len(self._nodes), holders)

    def could_ever_fit(self, requests: Sequence[SlotRequest], strategy: Strategy = round_robin) -> bool:
        """True if the requests would fit were nothing held."""
        staying = [self._empty(agent) for agent in self._nodes.values() if agent.id not in self._closed]
        return strategy(requests, staying) is not None

    def _all(self, agent: str) -> Iterable[Slot]:
        return (Slot(agent, index) for index in range(self._nodes[agent].slots))

    def _empty(self, agent: AgentInfo) -> Node:
        cpu = agent.resources.get("cpu", float(agent.slots))
        memory = int(agent.resources.get("memory", agent.slots * SlotRequest().memory))
        return Node(agent.id, agent.host, agent.slots, agent.slots, cpu, memory, agent.tags)

    def _node(self, agent: AgentInfo) -> Node:
        node = self._empty(agent)
        for slot in self._all(agent.id):
            if slot in self._held:
                node = node.take(self._held[slot][1])
        return node


def slot_requests(vertices: Sequence[VertexNeeds]) -> list[SlotRequest]:
    """The slots of a job: per sharing group its largest parallelism; slot i adds up what its tasks ask for."""
    requests: list[SlotRequest] = []
    for group in dict.fromkeys(vertex.slot_group for vertex in vertices):
        members = [vertex for vertex in vertices if vertex.slot_group == group]
        for index in range(max(vertex.parallelism for vertex in members)):
            sharing = [vertex for vertex in members if vertex.parallelism > index]
            requests.append(
                SlotRequest(
                    cpu=sum(vertex.cpu for vertex in sharing),
                    memory=sum(vertex.memory for vertex in sharing),
                    sharing_group=group,
                    tags=frozenset().union(*(vertex.tags for vertex in sharing)),
                )
            )
    return requests


def assign(
    vertices: Sequence[VertexNeeds], requests: Sequence[SlotRequest], slots: Sequence[Slot]
) -> dict[str, tuple[Slot, ...]]:
    """Slot of each task: index i of a vertex goes into the i-th slot of its sharing group."""
    by_group: dict[str, list[Slot]] = {}
    for request, slot in zip(requests, slots, strict=True):
        by_group.setdefault(request.sharing_group, []).append(slot)
    return {vertex.id: tuple(by_group[vertex.slot_group][: vertex.parallelism]) for vertex in vertices}
