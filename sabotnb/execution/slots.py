"""The slot pool: which slots agents offer, which job holds each, and all-or-nothing allocation.

Theory of operation
-------------------
A slot is a share of an agent's capacity, not a thread: each task in it has its own thread. A slot holds at most one
task of each vertex of one sharing group. A job therefore needs, for each group, as many slots as the largest
parallelism in that group (``slot_requests``), and task ``i`` of every vertex of the group goes into the group's
``i``-th slot (``assign``). Tasks with the same index are thus on the same agent.

Invariants:

- A slot is free or held by exactly one job. A job receives every slot that it requests in one step, or none. Partial
  allocation could deadlock: two jobs would each hold what the other one waits for.
- Slots are counted strictly; cores and memory only rank agents and may be overcommitted.
- A slot is held from allocation until its run has ended (``release``) or its agent is lost (``unregister_node``), also
  after its own task has finished. Slots are held by job name, so a run must release them before its successor begins.
- A closed agent (``close_node``) keeps its tasks, but offers no slot. Agent ids are never reused, so closing is final.

Free capacity is computed from the held slots for each request instead of being maintained, so the two cannot disagree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sabotnb.execution.placement import Node, SlotRequest, Strategy, round_robin
from sabotnb.protocol import AgentInfo, JobVertex


@dataclass(frozen=True, slots=True)
class Slot:
    """Slot ``index`` of an agent."""

    agent: str
    index: int


@dataclass(frozen=True, slots=True)
class SlotStatistics:
    """How many slots are in use; ``holders`` counts slots per job."""

    total: int
    free: int
    nodes: int
    holders: Mapping[str, int]

    @property
    def utilization(self) -> float:
        """The share of slots that are held; 0 for an empty pool."""
        return (self.total - self.free) / self.total if self.total else 0.0


class SlotPool:
    """Allocates the slots of all agents. Not thread-safe: only the machine uses it."""

    def __init__(self) -> None:
        self._nodes: dict[str, AgentInfo] = {}
        self._held: dict[Slot, tuple[str, SlotRequest]] = {}
        self._closed: set[str] = set()

    def register_node(self, agent: AgentInfo) -> None:
        """Add an agent's slots."""
        self._nodes[agent.id] = agent

    def close_node(self, agent: str) -> None:
        """Allocate no more slots of an agent; slots that are held stay held."""
        self._closed.add(agent)

    def unregister_node(self, agent: str) -> frozenset[str]:
        """Remove an agent and all of its slots; returns the jobs that held some of them."""
        self._nodes.pop(agent, None)
        self._closed.discard(agent)
        lost = [slot for slot in self._held if slot.agent == agent]
        return frozenset(self._held.pop(slot)[0] for slot in lost)

    def request(self, job: str, requests: Sequence[SlotRequest], strategy: Strategy = round_robin) -> list[Slot] | None:
        """Allocate one slot per request to ``job``; returns None, and allocates nothing, if they do not all fit."""
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
        """Free every slot that ``job`` holds."""
        self._held = {slot: holder for slot, holder in self._held.items() if holder[0] != job}

    def nodes(self) -> list[Node]:
        """The free capacity of each agent, in order of registration."""
        return [self._node(agent) for agent in self._nodes.values()]

    def statistics(self) -> SlotStatistics:
        """Count total, free and held slots."""
        total = sum(agent.slots for agent in self._nodes.values())
        holders: dict[str, int] = {}
        for job, _request in self._held.values():
            holders[job] = holders.get(job, 0) + 1
        return SlotStatistics(total, total - len(self._held), len(self._nodes), holders)

    def could_ever_fit(self, requests: Sequence[SlotRequest], strategy: Strategy = round_robin) -> bool:
        """True if the requests would fit into an empty pool without the closed agents."""
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


def slot_requests(vertices: Collection[JobVertex]) -> list[SlotRequest]:
    """The slots that a job needs: per sharing group its largest parallelism; slot i adds up the needs of its tasks."""
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
    vertices: Collection[JobVertex], requests: Sequence[SlotRequest], slots: Sequence[Slot]
) -> dict[str, tuple[Slot, ...]]:
    """The slot of each task, by vertex: task i goes into the i-th slot of its sharing group."""
    by_group: dict[str, list[Slot]] = {}
    for request, slot in zip(requests, slots, strict=True):
        by_group.setdefault(request.sharing_group, []).append(slot)
    return {vertex.id: tuple(by_group[vertex.slot_group][: vertex.parallelism]) for vertex in vertices}
