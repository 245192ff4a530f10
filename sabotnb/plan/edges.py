"""How many tasks each operator gets, and how rows travel along each edge.

A *key domain* is a set of operators that spread their rows by the same keys over the same table (``plan.tables``):
inside it rows are where they belong already. The choice for an edge, first line that applies:

    the lower input is keyed                  FORWARD inside the key domain, else HASH
    the lower operator is global              GATHER (FORWARD from another global one)
    the lower input is a broadcast side       BROADCAST
    the user said so                          the hint
    both ends have the same parallelism       FORWARD
    otherwise                                 REBALANCE

A hint cannot make a keyed or global operator wrong: it counts there only where it says the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sabotnb.errors import GraphError
from sabotnb.graph import (
    Aggregate,
    Edge,
    EdgeType,
    JobGraph,
    Keys,
    Operator,
    Phase,
    input_ports,
    is_broadcast_port,
    is_global,
    is_stateful,
    port_keys,
)
from sabotnb.plan.partitioning import Partitioning, partitioning_behind


@dataclass(frozen=True, slots=True)
class EdgeRoute:
    """How rows travel along one edge; ``keys`` and ``domain`` are for HASH, keys also for RANGE."""

    type: EdgeType
    keys: Keys = ()
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class Routing:
    """What ``choose_routes`` decided: ``routes[i]`` is for ``graph.edges[i]``; ``domains`` is by operator id."""

    parallelism: Mapping[str, int]
    routes: tuple[EdgeRoute, ...]
    domains: Mapping[str, str]


def choose_parallelism(graph: JobGraph, default: int) -> dict[str, int]:
    """Tasks per operator: what its user said, 1 if it is global, else ``default`` (at most its max_parallelism).

    Row operators behind a global one stay at 1 unless told otherwise, which keeps the order that a sort made; a
    pre-aggregation runs beside what it reads.
    """
    chosen: dict[str, int] = {}
    single = single_tasks(graph)
    for name in graph.topological_sort():
        operator = graph.operators[name]
        if name in single:
            chosen[name] = 1
        elif isinstance(operator.spec, Aggregate) and operator.spec.phase is Phase.PARTIAL:
            chosen[name] = chosen[graph.inputs(name)[0].up]
        else:
            chosen[name] = operator.parallelism or min(default, operator.max_parallelism)
    return chosen


def single_tasks(graph: JobGraph) -> set[str]:
    """Operators that are one task by nature: global ones, and row operators that follow one."""
    single: set[str] = set()
    for name in graph.topological_sort():
        operator, inputs = graph.operators[name], graph.inputs(name)
        follows = (
            len(inputs) == 1
            and inputs[0].up in single
            and inputs[0].hint is None
            and operator.parallelism is None
            and not is_stateful(operator.spec)
        )
        if follows or is_global(operator.spec):
            single.add(name)
    return single


def choose_routes(graph: JobGraph, default: int) -> Routing:
    """Decide on parallelism, edges and key domains; GraphError for a FORWARD hint between unequal parallelisms."""
    parallelism = choose_parallelism(graph, default)
    return _Router(graph, parallelism).routing()


class _Router:
    """One pass in topological order; knows behind each operator how its rows are partitioned by then."""

    def __init__(self, graph: JobGraph, parallelism: Mapping[str, int]) -> None:
        self.graph = graph
        self.parallelism = parallelism
        self.single = single_tasks(graph)
        self.behind: dict[str, Partitioning | None] = {}
        self.domain_of: dict[str, str] = {}
        self.merged_into: dict[str, str] = {}
        self.routes: dict[Edge, EdgeRoute] = {}

    def routing(self) -> Routing:
        for name in self.graph.topological_sort():
            operator, inputs = self.graph.operators[name], self.graph.inputs(name)
            domain = self._domain(operator, inputs)
            for edge in inputs:
                self.routes[edge] = self._route(edge, operator, domain)
            before = [self._before(edge, self.routes[edge]) for edge in inputs]
            behind = partitioning_behind(operator.spec, before)
            self.behind[name] = behind
            if domain or behind:
                self.domain_of[name] = domain or (behind.domain if behind else "")
        routes = [self.routes[edge] for edge in self.graph.edges]
        return Routing(
            self.parallelism,
            tuple(EdgeRoute(route.type, route.keys, self._root(route.domain)) for route in routes),
            {name: self._root(domain) or domain for name, domain in self.domain_of.items()},
        )

    def _domain(self, operator: Operator, inputs: Sequence[Edge]) -> str | None:
        """The domain of a keyed operator: its input's where that fits (merged if several fit), else a new one."""
        keyed = [port for port in range(input_ports(operator.spec)) if port_keys(operator.spec, port)]
        if not keyed:
            hashed = any(edge.hint and edge.hint.type is EdgeType.HASH for edge in inputs)
            return operator.id if hashed and not is_global(operator.spec) else None
        fitting = [found.domain for edge in inputs if (found := self._fitting(edge, operator))]
        if not fitting:
            return operator.id
        domain = self._root(fitting[0]) or fitting[0]
        for other in fitting[1:]:
            root = self._root(other) or other
            if root != domain:
                self.merged_into[root] = domain
        return domain

    def _fitting(self, edge: Edge, operator: Operator) -> Partitioning | None:
        """The partitioning of the rows of ``edge`` if it is the one that ``operator`` needs there."""
        keys = port_keys(operator.spec, edge.port)
        behind = self.behind[edge.up] if edge.side is None else None
        same = behind and behind.keys == keys and self.parallelism[edge.up] == self.parallelism[operator.id]
        return behind if same else None

    def _route(self, edge: Edge, operator: Operator, domain: str | None) -> EdgeRoute:
        keys = port_keys(operator.spec, edge.port)
        if keys:
            return (
                EdgeRoute(EdgeType.FORWARD) if self._fitting(edge, operator) else EdgeRoute(EdgeType.HASH, keys, domain)
            )
        if keys == ():
            return EdgeRoute(EdgeType.FORWARD if edge.up in self.single else EdgeType.GATHER)
        if is_broadcast_port(operator.spec, edge.port):
            return EdgeRoute(EdgeType.BROADCAST)
        equal = self.parallelism[edge.up] == self.parallelism[edge.down]
        if edge.hint is None:
            return EdgeRoute(EdgeType.FORWARD if equal else EdgeType.REBALANCE)
        if edge.hint.type is EdgeType.FORWARD and not equal:
            raise GraphError(
                f"{edge.up!r} -> {edge.down!r} is to be FORWARD, but has {self.parallelism[edge.up]} tasks above and "
                f"{self.parallelism[edge.down]} below; give both the same parallelism or leave the hint out"
            )
        return EdgeRoute(edge.hint.type, edge.hint.keys, domain if edge.hint.type is EdgeType.HASH else None)

    def _before(self, edge: Edge, route: EdgeRoute) -> Partitioning | None:
        """How the rows of an edge are partitioned where they arrive."""
        if route.type is EdgeType.HASH and route.domain:
            return Partitioning(route.keys, route.domain)
        return self.behind[edge.up] if route.type is EdgeType.FORWARD and edge.side is None else None

    def _root(self, domain: str | None) -> str | None:
        while domain in self.merged_into:
            domain = self.merged_into[domain]
        return domain
