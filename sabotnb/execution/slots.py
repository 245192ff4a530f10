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
- A run that starts again with too few slots may share (``request_shared``): a slot then holds several tasks of a
  vertex, and if no slot is free, tasks of several jobs. That is slower, but the run does not end for lack of slots.
- Slots are counted strictly; cores and memory only rank agents and may be overcommitted.
- A slot is held from allocation until its run has ended (``release``) or its agent is lost (``unregister_node``), also
  after its own task has finished. Slots are held by job name, so a run must release them before its successor begins.
- A closed agent (``close_node``) keeps its tasks, but offers no slot. Agent ids are never reused, so closing is final.

Free capacity is computed from the held slots for each request instead of being maintained, so the two cannot disagree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle

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
        self._held: dict[Slot, list[tuple[str, SlotRequest]]] = {}
        """The jobs that hold a slot, and for what."""
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
        return frozenset(job for slot in lost for job, _request in self._held.pop(slot))

    def request(self, job: str, requests: Sequence[SlotRequest], strategy: Strategy = round_robin) -> list[Slot] | None:
        """Allocate one slot per request to ``job``; returns None, and allocates nothing, if they do not all fit."""
        agents = strategy(requests, self._open_nodes())
        if agents is None:
            return None
        slots = []
        for agent, request in zip(agents, requests, strict=True):
            slot = next(slot for slot in self._all(agent) if slot not in self._held)
            self._hold(slot, job, request)
            slots.append(slot)
        return slots

    def request_shared(
        self, job: str, requests: Sequence[SlotRequest], strategy: Strategy = round_robin
    ) -> list[Slot] | None:
        """Allocate slots of which each serves several requests; returns None, and allocates nothing, if no agent fits.

        They are free slots, or where agents with the requested tags have none, slots that other jobs hold.
        """
        nodes = self._open_nodes()
        agents = _shared(requests, nodes, strategy) or _shared(
            requests, [replace(node, free=node.slots) for node in nodes], strategy
        )
        if agents is None:
            return None
        turns = {agent: cycle(self._free(agent) or list(self._all(agent))) for agent in dict.fromkeys(agents)}
        slots = [next(turns[agent]) for agent in agents]
        for slot, request in zip(slots, requests, strict=True):
            self._hold(slot, job, request)
        return slots

    def release(self, job: str) -> None:
        """Free every slot that ``job`` holds, of which it may share some with other jobs."""
        others = {
            slot: [(holder, request) for holder, request in holders if holder != job]
            for slot, holders in self._held.items()
        }
        self._held = {slot: holders for slot, holders in others.items() if holders}

    def nodes(self) -> list[Node]:
        """The free capacity of each agent, in order of registration."""
        return [self._node(agent) for agent in self._nodes.values()]

    def statistics(self) -> SlotStatistics:
        """Count total, free and held slots."""
        total = sum(agent.slots for agent in self._nodes.values())
        holders: dict[str, int] = {}
        for slot_holders in self._held.values():
            for job in {job for job, _request in slot_holders}:
                holders[job] = holders.get(job, 0) + 1
        return SlotStatistics(total, total - len(self._held), len(self._nodes), holders)

    def could_ever_fit(self, requests: Sequence[SlotRequest], strategy: Strategy = round_robin) -> bool:
        """True if the requests would fit into an empty pool without the closed agents."""
        staying = [self._empty(agent) for agent in self._nodes.values() if agent.id not in self._closed]
        return strategy(requests, staying) is not None

    def _all(self, agent: str) -> Iterable[Slot]:
        return (Slot(agent, index) for index in range(self._nodes[agent].slots))

    def _free(self, agent: str) -> list[Slot]:
        return [slot for slot in self._all(agent) if slot not in self._held]

    def _hold(self, slot: Slot, job: str, request: SlotRequest) -> None:
        self._held.setdefault(slot, []).append((job, request))

    def _open_nodes(self) -> list[Node]:
        return [node for node in self.nodes() if node.agent not in self._closed]

    def _empty(self, agent: AgentInfo) -> Node:
        cpu = agent.resources.get("cpu", float(agent.slots))
        memory = int(agent.resources.get("memory", agent.slots * SlotRequest().memory))
        return Node(agent.id, agent.host, agent.slots, agent.slots, cpu, memory, agent.tags)

    def _node(self, agent: AgentInfo) -> Node:
        empty = self._empty(agent)
        held = [self._held[slot] for slot in self._all(agent.id) if slot in self._held]
        requests = [request for holders in held for _job, request in holders]
        return replace(
            empty,
            free=empty.free - len(held),
            cpu=empty.cpu - sum(request.cpu for request in requests),
            memory=empty.memory - sum(request.memory for request in requests),
        )


def _shared(requests: Sequence[SlotRequest], nodes: Sequence[Node], strategy: Strategy) -> list[str] | None:
    """The agent of each request if a free slot serves several of them, and no more than it takes to place them all."""
    free = sum(node.free for node in nodes)
    each = -(-len(requests) // free) if free else len(requests)
    while True:
        widened = [replace(node, free=node.free * each, slots=node.slots * each) for node in nodes]
        agents = strategy(requests, widened)
        if agents is not None or each >= len(requests):
            return agents
        each *= 2


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
