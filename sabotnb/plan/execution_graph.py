"""The execution graph: chained vertices with a parallelism each, and typed edges between them. Plain data.

It is deployed: each agent receives the same graph once, with a table of the agent of each task. Tasks and N x M
channels are derived from it (``plan.expand``) and never listed, so that a message does not grow with the parallelism.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from sabotnb.blobs import Function
from sabotnb.expr import Literal
from sabotnb.graph import EdgeType, Keys, Operator, Resources


@dataclass(frozen=True, slots=True)
class Vertex:
    """A chain of operators that one task runs; ``id`` is the id of its first operator.

    ``inputs`` are the schemas of the input ports of the chain's first operator; ``schemas[i]`` is the schema behind
    ``operators[i]``. ``domain`` names the key domain, whose table has the task of each key group; None if not keyed.
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
    untimed: frozenset[str] = frozenset()
    """The operators whose output has no event time, by id."""
    bounded: frozenset[str] = frozenset()
    """The operators whose inputs all end, by id."""


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
    timed: bool = True
    """Whether the rows have event time."""


@dataclass(slots=True)
class _Ends:
    """Edges by their ends, indexed because every task asks for its own."""

    into: dict[str, list[ShuffleEdge]] = field(default_factory=dict)
    out_of: dict[str, list[ShuffleEdge]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExecutionGraph:
    """Vertices in topological order, edges by index, and per key domain the task index that owns each key group."""

    vertices: Mapping[str, Vertex]
    edges: tuple[ShuffleEdge, ...]
    tables: Mapping[str, tuple[int, ...]]
    groups: int
    _ends: _Ends = field(init=False, repr=False, compare=False, default_factory=_Ends)

    def edges_into(self, vertex: str) -> Sequence[ShuffleEdge]:
        """Edges into ``vertex``, in order of port."""
        return self._known_ends().into.get(vertex, ())

    def edges_out_of(self, vertex: str) -> Sequence[ShuffleEdge]:
        """Edges out of ``vertex``, by index."""
        return self._known_ends().out_of.get(vertex, ())

    def _known_ends(self) -> _Ends:
        if self.edges and not self._ends.into:
            ends = _Ends()
            for edge in self.edges:
                ends.out_of.setdefault(edge.up, []).append(edge)
            for edge in sorted(self.edges, key=lambda edge: (edge.port, edge.index)):
                ends.into.setdefault(edge.down, []).append(edge)
            # Tasks call this from several threads without a lock. ``into`` is assigned last, as it is what they test.
            self._ends.out_of, self._ends.into = ends.out_of, ends.into
        return self._ends
