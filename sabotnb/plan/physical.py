"""Turn a job graph into its execution graph: choose routes, chain operators, make key tables.

Theory of operation
-------------------
``choose_routes`` decides first, on single operators; chaining follows from its result and changes no decision. An
operator joins the chain of the operator that it reads if the edge between them is a FORWARD edge of the main output,
is the only one there, and both have the same parallelism, slot group and tags. The chain then runs in one thread
without a channel inside. A vertex has the id of its first operator.

- Side outputs never chain, but they do not keep a chain from forming either: ``alone`` ignores them. Their edges leave
  the vertex although their operator may be in the middle of its chain, so ``ShuffleEdge.operator`` names it.
- Edges are numbered in topological order of their lower operator, then by port. The numbers are part of channel names
  in all processes, so they must follow from the graph alone.
- A chain has at most one key domain: inside a chain every edge is FORWARD, and an operator that begins a domain is
  reached over HASH, which ends the chain above it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from sabotnb.errors import GraphError
from sabotnb.graph import Edge, EdgeType, JobGraph, Operator, Resources
from sabotnb.plan.edges import Routing, choose_routes
from sabotnb.plan.execution_graph import ExecutionGraph, ShuffleEdge, Vertex
from sabotnb.plan.sticky_tables import KeyTable, balanced_table

KEY_GROUPS = 128


def to_execution_graph(graph: JobGraph, parallelism: int = 1, groups: int = KEY_GROUPS) -> ExecutionGraph:
    """Validate and expand as written: nothing is rewritten, every operator is a vertex of its own.

    Operators without a parallelism of their own get ``parallelism``. A job that runs from a ``Stream`` is optimized and
    chained before (``plan.optimize``, ``plan.physical``). Raises what ``validate`` raises.
    """
    graph.validate()
    return physical(graph, parallelism, groups, chain=False)


def physical(graph: JobGraph, parallelism: int, groups: int = KEY_GROUPS, *, chain: bool = True) -> ExecutionGraph:
    """Return the execution graph of a validated job graph; ``parallelism`` is for operators without one of their own.

    ``groups`` key groups are shared by the tasks of each key domain. ``chain=False`` makes every operator a vertex of
    its own. GraphError if a parallelism is out of range or a FORWARD hint connects unequal parallelisms.
    """
    if parallelism < 1:
        raise GraphError(f"parallelism is {parallelism}; choose at least 1")
    schemas = graph.schemas()
    routing = choose_routes(graph, parallelism)
    chains = _chains(graph, routing) if chain else {name: [name] for name in graph.topological_sort()}
    vertices = {head: _vertex(graph, members, routing, schemas) for head, members in chains.items()}
    return ExecutionGraph(vertices, _edges(graph, chains, routing, schemas), _tables(graph, routing, groups), groups)


def _chains(graph: JobGraph, routing: Routing) -> dict[str, list[str]]:
    """Return the operators of each chain by the first of them, in topological order."""
    chains: dict[str, list[str]] = {}
    head_of: dict[str, str] = {}
    route_of = dict(zip(graph.edges, routing.routes, strict=True))
    for name in graph.topological_sort():
        inputs = graph.inputs(name)
        chained = len(inputs) == 1 and _chainable(graph, inputs[0], route_of[inputs[0]].type, routing)
        head_of[name] = head_of[inputs[0].up] if chained else name
        chains.setdefault(head_of[name], []).append(name)
    return chains


def _chainable(graph: JobGraph, edge: Edge, route: EdgeType, routing: Routing) -> bool:
    """True if the lower operator can run in the task of the upper one; the conditions are in the theory above."""
    up, down = graph.operators[edge.up], graph.operators[edge.down]
    alone = not any(other.side is None and other is not edge for other in graph.outputs(edge.up))
    placed_alike = (up.slot_group, up.tags) == (down.slot_group, down.tags)
    same_width = routing.parallelism[edge.up] == routing.parallelism[edge.down]
    return route is EdgeType.FORWARD and edge.side is None and alone and placed_alike and same_width


def _vertex(graph: JobGraph, members: Sequence[str], routing: Routing, schemas: Mapping[str, pa.Schema]) -> Vertex:
    operators = tuple(graph.operators[name] for name in members)
    first = operators[0]
    return Vertex(
        id=first.id,
        operators=operators,
        inputs=tuple(graph.input_schemas(first.id, schemas)),
        schemas=tuple(schemas[name] for name in members),
        parallelism=routing.parallelism[first.id],
        slot_group=first.slot_group,
        tags=first.tags,
        resources=_chain_resources(operators),
        domain=next((routing.domains[name] for name in members if name in routing.domains), None),
        untimed=frozenset(name for name in members if graph.types()[name].time is None),
        bounded=frozenset(name for name in members if graph.types()[name].bounded),
    )


def _chain_resources(operators: Sequence[Operator]) -> Resources:
    """Return the resources of a chain: the largest share of a core and of memory, as it runs in one thread."""
    return Resources(
        cpu=max(operator.resources.cpu for operator in operators),
        memory=max(operator.resources.memory for operator in operators),
    )


def _edges(
    graph: JobGraph, chains: Mapping[str, Sequence[str]], routing: Routing, schemas: Mapping[str, pa.Schema]
) -> tuple[ShuffleEdge, ...]:
    vertex_of = {name: head for head, members in chains.items() for name in members}
    between = [
        (edge, route)
        for edge, route in zip(graph.edges, routing.routes, strict=True)
        if edge.side is not None or vertex_of[edge.up] != vertex_of[edge.down]
    ]
    order = {name: rank for rank, name in enumerate(graph.topological_sort())}
    arriving = {name: graph.input_schemas(name, schemas) for name in order}
    between.sort(key=lambda pair: (order[pair[0].down], pair[0].port))
    return tuple(
        ShuffleEdge(
            index=index,
            up=vertex_of[edge.up],
            down=vertex_of[edge.down],
            port=edge.port,
            type=route.type,
            schema=arriving[edge.down][edge.port],
            operator=edge.up,
            keys=route.keys,
            domain=route.domain,
            side=edge.side,
            bounds=edge.hint.bounds if edge.hint and route.type is EdgeType.RANGE else (),
            function=edge.hint.function if edge.hint and route.type is EdgeType.CUSTOM else None,
            timed=graph.edge_type(edge).time is not None,
        )
        for index, (edge, route) in enumerate(between)
    )


def _tables(graph: JobGraph, routing: Routing, groups: int) -> dict[str, KeyTable]:
    """Return one table per key domain; all operators of a domain have the same parallelism (``plan.edges``)."""
    return {
        route.domain: balanced_table(groups, routing.parallelism[edge.down])
        for edge, route in zip(graph.edges, routing.routes, strict=True)
        if route.domain is not None
    }
