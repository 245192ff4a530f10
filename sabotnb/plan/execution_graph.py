"""The execution graph: chained vertices with a parallelism each, and typed edges between them. Plain data.

It is what is deployed: each agent gets the same graph once, with one ``vertex -> agent per index`` table; tasks and
N x M channels are derived from it (``plan.expand``), never listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from sabotnb.blobs import Function
from sabotnb.expr.nodes import Literal
from sabotnb.graph.nodes import EdgeType, Operator, Resources
from sabotnb.graph.specs import Keys


@dataclass(frozen=True, slots=True)
class Vertex:
    """A chain of operators that one task runs; ``id`` is the id of its first operator.

    ``inputs`` are the schemas of the input ports of the chain's first operator; ``schemas[i]`` is the schema behind
    ``operators[i]``. ``domain`` names the key domain whose table says who owns which key group; None if not keyed.
    """

    id: str
    operators: tuple[Operator, ...]
    inputs: tuple[pa.Schema, ...]
    schemas: tuple[pa.Schema, ...]
    parallelism: int
    slot_group: str = "default"
    tags: frozenset[str] = frozenset()
    resources: Resources = field(default_factory=Resources)
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class ShuffleEdge:
    """Edge ``index`` of the graph, from vertex ``up`` to input ``port`` of vertex ``down``.

    ``operator`` is the operator of the upstream chain whose output this is (always the last, except for side outputs).
    ``keys`` are column names for HASH and RANGE. A HASH edge follows ``ExecutionGraph.tables[domain]``.
    """

    index: int
    up: str
    down: str
    port: int
    type: EdgeType
    schema: pa.Schema
    operator: str
    keys: Keys = ()
    domain: str | None = None
    side: str | None = None
    bounds: tuple[Literal, ...] = ()
    function: Function | None = None


@dataclass(frozen=True, slots=True)
class ExecutionGraph:
    """Vertices in topological order, edges by index, and per key domain the task index that owns each key group."""

    vertices: Mapping[str, Vertex]
    edges: tuple[ShuffleEdge, ...]
    tables: Mapping[str, tuple[int, ...]]
    groups: int
