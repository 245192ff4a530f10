"""Choose the parallelism of each operator, and how rows travel along each edge.

Theory of operation
-------------------
A *key domain* is a set of operators whose rows are spread by the same keys over the same table
(``ExecutionGraph.tables``): a row that left one of them is already in the task where the next needs it, so the edge
between them is FORWARD. The first line that applies decides on an edge:

    the lower input is keyed                  FORWARD inside the key domain, else HASH
    the lower operator is global              GATHER (FORWARD from another global one)
    the lower input is a broadcast side       BROADCAST
    the edge has a hint                       the hint
    both ends have the same parallelism       FORWARD
    otherwise                                 REBALANCE

A hint is ignored at keyed, global and broadcast inputs, so it cannot make a result wrong.

``_Router`` makes one pass in topological order, because an edge depends on how the rows behind the upper operator are
partitioned (``behind``). Two facts hold after each operator:

- ``behind[name]`` is a partitioning that provably holds for every row of the main output, or None. Side outputs are
  never taken as partitioned. A map by a function of the user ends a partitioning, as it may change the keys
  (``plan.partitioning``).
- A join may read two domains that both fit. They are then merged, as both inputs must agree on one table:
  ``merged_into`` is a union-find forest, and ``_root`` returns the domain that is left. Routes made earlier still name
  the old domain, so ``routing`` resolves all of them at the end.

All operators of a domain have one parallelism: ``_fitting`` demands it, and a HASH edge begins a domain with that of
its lower operator. ``physical._tables`` relies on it: it makes one table per domain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sabotnb.errors import GraphError
from sabotnb.graph import (
    AssignTimes,
    Edge,
    EdgeType,
    JobGraph,
    Keys,
    Operator,
    input_ports,
    is_broadcast_port,
    is_global,
    is_partial,
    is_stateful,
    port_keys,
)
from sabotnb.plan.partitioning import Partitioning, partitioning_behind


@dataclass(frozen=True, slots=True)
class EdgeRoute:
    """How rows travel along one edge; HASH uses ``keys`` and ``domain``, RANGE uses ``keys``."""

    type: EdgeType
    keys: Keys = ()
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class Routing:
    """The result of ``choose_routes``: ``routes[i]`` belongs to ``graph.edges[i]``; ``domains`` is by operator id."""

    parallelism: Mapping[str, int]
    routes: tuple[EdgeRoute, ...]
    domains: Mapping[str, str]


def choose_parallelism(graph: JobGraph, default: int) -> dict[str, int]:
    """Return the tasks per operator: its parallelism, 1 if it is global, else ``default`` up to its max_parallelism.

    Row operators behind a global one stay at 1 unless the user set a parallelism, so that the order of a sort is kept.
    A pre-aggregation and an assignment of event time have the parallelism of the operator that they read, so that the
    two are chained.
    """
    chosen: dict[str, int] = {}
    single = single_tasks(graph)
    for name in graph.topological_sort():
        operator = graph.operators[name]
        if name in single:
            chosen[name] = 1
        elif is_partial(operator.spec) or isinstance(operator.spec, AssignTimes):
            chosen[name] = chosen[graph.inputs(name)[0].up]
        else:
            chosen[name] = operator.parallelism or min(default, operator.max_parallelism)
    return chosen


def single_tasks(graph: JobGraph) -> set[str]:
    """Return the operators that must run as one task: global ones, and row operators that follow one."""
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
    """Choose parallelism, edges and key domains; GraphError for a FORWARD hint between unequal parallelisms."""
    parallelism = choose_parallelism(graph, default)
    return _Router(graph, parallelism).routing()


class _Router:
    """Chooses routes in one topological pass; see the theory of operation above."""

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
        """Return the domain of a keyed operator: that of its input if it fits (merged if many do), else a new one."""
        keyed = [port for port in range(input_ports(operator.spec)) if port_keys(operator.spec, port)]
        if not keyed:
            hashed = any(edge.hint and edge.hint.type is EdgeType.HASH for edge in inputs)
            return operator.id if hashed and not is_global(operator.spec) else None
        fitting = [partitioning.domain for edge in inputs if (partitioning := self._fitting(edge, operator))]
        if not fitting:
            return operator.id
        domain = self._root(fitting[0]) or fitting[0]
        for other in fitting[1:]:
            root = self._root(other) or other
            if root != domain:
                self.merged_into[root] = domain
        return domain

    def _fitting(self, edge: Edge, operator: Operator) -> Partitioning | None:
        """Return how the rows of ``edge`` are partitioned if ``operator`` needs exactly that there."""
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
        if keys == ():  # all rows meet in one task
            return EdgeRoute(EdgeType.FORWARD if edge.up in self.single else EdgeType.GATHER)
        if is_broadcast_port(operator.spec, edge.port):
            return EdgeRoute(EdgeType.BROADCAST)
        equal = self.parallelism[edge.up] == self.parallelism[edge.down]
        if edge.hint is None:
            return EdgeRoute(EdgeType.FORWARD if equal else EdgeType.REBALANCE)
        if edge.hint.type is EdgeType.FORWARD and not equal:
            raise GraphError(
                f"{edge.up!r} -> {edge.down!r} has the hint FORWARD, but {self.parallelism[edge.up]} tasks above and "
                f"{self.parallelism[edge.down]} below; set the same parallelism on both or remove the hint"
            )
        return EdgeRoute(edge.hint.type, edge.hint.keys, domain if edge.hint.type is EdgeType.HASH else None)

    def _before(self, edge: Edge, route: EdgeRoute) -> Partitioning | None:
        """Return how the rows of an edge are partitioned when they arrive."""
        if route.type is EdgeType.HASH and route.domain:
            return Partitioning(route.keys, route.domain)
        return self.behind[edge.up] if route.type is EdgeType.FORWARD and edge.side is None else None

    def _root(self, domain: str | None) -> str | None:
        while domain in self.merged_into:
            domain = self.merged_into[domain]
        return domain
