"""The parts of a job graph: operators, edges, hints of edges, and resources."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from sabotnb.blobs import Function, Origin
from sabotnb.expr import Literal, literal_of
from sabotnb.graph.ports import input_ports, is_stateful, port_keys
from sabotnb.graph.specs import Keys, Spec

MAX_PARALLELISM = 128
"""Default limit of an operator's parallelism: the number of key groups, of which each keyed task needs one."""


class EdgeType(str, Enum):
    """How the rows of an edge are spread over the tasks below it."""

    FORWARD = "forward"  # task i to task i
    HASH = "hash"  # by key group
    BROADCAST = "broadcast"  # every row to every task
    REBALANCE = "rebalance"  # each batch to the channel with most free credit
    RANGE = "range"  # by sorted bounds of one column
    CUSTOM = "custom"  # by a function of the user
    GATHER = "gather"  # all to task 0


@dataclass(frozen=True, slots=True)
class EdgeHint:
    """How the user wants the rows of an edge spread.

    HASH uses ``keys``. RANGE uses ``keys[0]`` with sorted ``bounds``: plain values become literals, n bounds make n + 1
    ranges, and there are none until they are sampled. CUSTOM calls ``function(batch, n)``, which returns an int array
    of task indexes in [0, n).
    """

    type: EdgeType
    keys: Keys = ()
    bounds: tuple[Literal, ...] = ()
    function: Function | None = None

    def __post_init__(self) -> None:
        bounds = tuple(bound if isinstance(bound, Literal) else literal_of(bound) for bound in self.bounds)
        object.__setattr__(self, "bounds", bounds)


@dataclass(frozen=True, slots=True)
class Resources:
    """Cores and bytes of memory that a task of the operator needs in its slot."""

    cpu: float = 0.5
    memory: int = 256 << 20


@dataclass(frozen=True, slots=True)
class Operator:
    """A node. ``id`` is readable and deterministic: the user's name, or kind and running number (``filter_0``).

    ``parallelism`` None means that of the job. ``tags`` restrict the operator to agents that have all of them.
    ``part_of``: the optimizer has made it from this operator, whose first phase it is.
    """

    id: str
    spec: Spec
    name: str | None = None
    parallelism: int | None = None
    max_parallelism: int = MAX_PARALLELISM
    slot_group: str = "default"
    tags: frozenset[str] = frozenset()
    resources: Resources = field(default_factory=Resources)
    origin: Origin | None = None
    part_of: str | None = None

    @property
    def written_id(self) -> str:
        """The id of the operator that the user wrote."""
        return self.part_of or self.id

    @property
    def stateful(self) -> bool:
        """True if its output depends on earlier rows."""
        return is_stateful(self.spec)

    @property
    def keys(self) -> tuple[Keys | None, ...]:
        """Key columns per input port: rows equal in them meet in one task; () is all rows, None no rows."""
        return tuple(port_keys(self.spec, port) for port in range(input_ports(self.spec)))

    @property
    def placed(self) -> bool:
        """True if the user named it or chose where it runs: the optimizer then neither removes nor moves it."""
        return bool(self.name or self.parallelism or self.tags or self.slot_group != "default")


@dataclass(frozen=True, slots=True)
class Edge:
    """From operator ``up`` to input ``port`` of operator ``down``; ``side`` names a side output of ``up``."""

    up: str
    down: str
    port: int = 0
    hint: EdgeHint | None = None
    side: str | None = None
