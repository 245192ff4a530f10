"""What the control plane and clients know of a job's execution graph, which is opaque to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ChainedOperator:
    """An operator in the chain of a vertex.

    ``keys`` are the columns of its rows by which they are spread next, or were before; ``calls_function``: it has a
    function of the user, be it within an expression or called in the client. ``part_of``: the operator that the user
    wrote, if this one is its first phase. ``combines``: all rows, or all of a key, have to meet in it.
    """

    id: str
    kind: str
    keys: tuple[str, ...] = ()
    calls_function: bool = False
    part_of: str | None = None
    combines: bool = False


@dataclass(frozen=True, slots=True)
class JobVertex:
    """A vertex: its tasks run ``operators`` as a chain, in this order.

    ``reads``: it begins with a source, which is ``bounded`` or endless, and ``timed`` if it has event time. ``dealt``:
    its tasks get all splits of the source when they begin, in turn. ``writes``: it ends with a sink. ``domain`` is its
    key domain. The other fields are the needs of one task, by which it is placed (``cpu`` in cores, ``memory`` in
    bytes).
    """

    id: str
    parallelism: int
    operators: tuple[ChainedOperator, ...] = ()
    reads: bool = False
    writes: bool = False
    bounded: bool = True
    timed: bool = False
    dealt: bool = False
    domain: str | None = None
    slot_group: str = "default"
    tags: frozenset[str] = frozenset()
    cpu: float = 0.5
    memory: int = 256 << 20

    @property
    def operator_ids(self) -> tuple[str, ...]:
        """The ids of its chain."""
        return tuple(operator.id for operator in self.operators)

    @property
    def role(self) -> str:
        """What the vertex is to people: source, sink or operator."""
        return "source" if self.reads else "sink" if self.writes else "operator"


@dataclass(frozen=True, slots=True)
class JobEdge:
    """Edge ``index``: output of ``operator`` of vertex ``up``, input ``port`` of vertex ``down``."""

    index: int
    up: str
    down: str
    port: int
    type: str
    operator: str
    keys: tuple[str, ...] = ()
    domain: str | None = None

    @property
    def path(self) -> str:
        """Both ends and the port, as people write them."""
        return f"{self.up}->{self.down}:{self.port}"


@dataclass(frozen=True, slots=True)
class JobTopology:
    """Vertices in topological order, edges by index, and by key domain the task that owns each key group.

    ``removed`` says where each operator went that the optimizer removed. A rescale makes another topology of the same
    graph, with a greater ``version``.
    """

    vertices: Mapping[str, JobVertex]
    edges: tuple[JobEdge, ...] = ()
    tables: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    removed: Mapping[str, str] = field(default_factory=dict)
    version: int = 1

    @classmethod
    def of(
        cls,
        vertices: Iterable[JobVertex],
        edges: Iterable[JobEdge] = (),
        tables: Mapping[str, tuple[int, ...]] | None = None,
        removed: Mapping[str, str] | None = None,
    ) -> JobTopology:
        """The first topology of a job."""
        return cls({vertex.id: vertex for vertex in vertices}, tuple(edges), dict(tables or {}), dict(removed or {}))

    @property
    def bounded(self) -> bool:
        """True unless a source is endless."""
        return all(vertex.bounded for vertex in self.vertices.values())

    @property
    def sources(self) -> tuple[JobVertex, ...]:
        """The vertices that begin with a source."""
        return tuple(vertex for vertex in self.vertices.values() if vertex.reads)

    @property
    def sinks(self) -> tuple[JobVertex, ...]:
        """The vertices that end with a sink, which is the last operator of the chain."""
        return tuple(vertex for vertex in self.vertices.values() if vertex.writes)

    def vertex_of(self, operator: str) -> JobVertex | None:
        """The vertex in whose chain ``operator`` runs; None if there is none."""
        return next(
            (vertex for vertex in self.vertices.values() if any(op.id == operator for op in vertex.operators)), None
        )

    def edges_into(self, vertex: str) -> tuple[JobEdge, ...]:
        """The edges into ``vertex``."""
        return tuple(edge for edge in self.edges if edge.down == vertex)

    def senders(self, edge: JobEdge, index: int) -> range:
        """The indexes of the tasks above ``edge`` that send to task ``index`` below it."""
        if edge.type == "forward":
            return range(index, index + 1)
        return range(0 if edge.type == "gather" and index else self.vertices[edge.up].parallelism)

    def channels(self, edge: JobEdge) -> int:
        """The number of channels of ``edge``."""
        senders = self.vertices[edge.up].parallelism
        return senders if edge.type == "forward" else senders * self.vertices[edge.down].parallelism
