"""A job graph under edit: the optimizer's many small rewritings each cost what they touch, not a copy of the graph.

Theory of operation
-------------------
``JobGraph`` is immutable, so n edits of n operators would copy n * n of them. A draft is edited in place. It answers
the same questions (``inputs``, ``outputs``, ``schemas``), and ``frozen`` returns the job graph when a phase ends.

- An edge is known by the input port that it feeds, which no other edge feeds. ``_next`` and ``_previous`` keep the
  order of the edges of the job graph: an edge that is replaced keeps its place, an inserted one comes before its lower
  half.
- Edits leave schemas as they are until ``settle``, because a rule needs several edits to get from one valid graph to
  the next. ``_arrived`` has the schema that each replaced edge carried. If it carries another one afterwards, the
  schemas further down may change as well, and all are computed again; rules that keep the results rarely need that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from sabotnb.graph import Edge, JobGraph, Operator, Spec, output_schema, side_schema
from sabotnb.traversal import bottom_up

Port = tuple[str, int]
"""An input port: the operator and the number of the port."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a rewriting changed: operators that are new or have another spec or schema, and ends of replaced edges.

    ``added`` are new operators in the order of the graph. ``everything`` says that any schema may have changed.
    """

    operators: Collection[str]
    ends: Collection[str]
    added: Sequence[str]
    everything: bool


class GraphDraft:
    """A validated job graph that rules edit in place."""

    def __init__(self, graph: JobGraph) -> None:
        self.operators = dict(graph.operators)
        self._before = graph
        self._schemas = dict(graph.schemas())
        self._taken = set(graph.used_ids())
        self._numbers: Counter[str] = Counter()
        self.passed: Counter[str] = Counter()
        """By id of a filter that may raise: operators that it was moved above, which is counted to limit it."""
        self._into: dict[str, dict[int, Edge]] = {}
        self._out_of: dict[str, dict[Port, Edge]] = {}
        self._next: dict[Port | None, Port | None] = {None: None}
        self._previous: dict[Port | None, Port | None] = {None: None}
        for name in graph.operators:
            self._into[name] = {edge.port: edge for edge in graph.inputs(name)}
        for edge in graph.edges:
            self._place(edge, before=None)
        self._begin()

    def frozen(self) -> JobGraph:
        """Return the job graph with all edits."""
        edges = []
        port = self._next[None]
        while port is not None:
            edges.append(self._into[port[0]][port[1]])
            port = self._next[port]
        return self._before.derived(dict(self.operators), edges, self._taken)

    def inputs(self, operator: str) -> Sequence[Edge]:
        """Return the edges into ``operator``, in order of their ports."""
        return list(self._into[operator].values())

    def outputs(self, operator: str) -> Collection[Edge]:
        """Return the edges out of ``operator``, side outputs included, in no particular order."""
        return self._out_of.get(operator, {}).values()

    def schemas(self) -> Mapping[str, pa.Schema]:
        """Return the schema behind each operator, by id, as ``settle`` left them."""
        return self._schemas

    def input_schemas(self, operator: str) -> list[pa.Schema]:
        """Return the schema of each input port of ``operator``."""
        return [self._arriving(edge) for edge in self.inputs(operator)]

    def unique_id(self, kind: str) -> str:
        """Return the next free readable id of a kind; ids of removed operators are not used again."""
        while f"{kind}_{self._numbers[kind]}" in self._taken:
            self._numbers[kind] += 1
        return f"{kind}_{self._numbers[kind]}"

    def set_spec(self, name: str, spec: Spec) -> None:
        """Give operator ``name`` another spec."""
        self.operators[name] = replace(self.operators[name], spec=spec)
        self._changed[name] = None

    def remove(self, name: str) -> None:
        """Remove a one-input operator; its readers read its input, and hints are kept."""
        (above,) = self.inputs(name)
        for edge in list(self.outputs(name)):
            self._put(Edge(above.up, edge.down, edge.port, edge.hint or above.hint, above.side))
        self._unlink((name, above.port))
        del self.operators[name], self._into[name], self._out_of[above.up][name, above.port]
        self._schemas.pop(name, None)
        self._ends.add(above.up)

    def insert(self, edge: Edge, operator: Operator) -> None:
        """Insert ``operator`` in the middle of ``edge``; the hint stays on the lower half."""
        self.operators[operator.id] = operator
        self._taken.add(operator.id)
        self._into[operator.id] = {}
        self._put(replace(edge, up=operator.id, side=None))
        upper = Edge(edge.up, operator.id, side=edge.side)
        self._into[operator.id][upper.port] = upper
        self._place(upper, before=(edge.down, edge.port))
        self._changed[operator.id] = None
        self._added[operator.id] = None
        self._ends.add(edge.up)

    def settle(self) -> Changes:
        """Compute the schemas that the edits since the last call changed; return all that they changed."""
        changed = {name: name for name in self._changed if name in self.operators}
        added = [name for name in self._added if name in self.operators]
        ends = self._ends & self.operators.keys()
        everything = self._reaches_further(self._computed(changed), changed)
        if everything:
            self._schemas = dict(self.frozen().schemas())
        self._begin()
        return Changes(changed.keys(), ends, added, everything)

    def _begin(self) -> None:
        self._changed: dict[str, None] = {}
        self._added: dict[str, None] = {}
        self._ends: set[str] = set()
        self._arrived: dict[Port, pa.Schema] = {}

    def _computed(self, changed: Mapping[str, str]) -> set[str]:
        """Compute the schemas behind ``changed``; return the operators that had another one before."""

        def changed_above(name: str) -> list[str]:  # from the mapping: bottom_up compares names by identity
            return [changed[edge.up] for edge in self.inputs(name) if edge.up in changed]

        differing = set()
        for name in bottom_up(changed.values(), changed_above):
            output, before = output_schema(self.operators[name].spec, self.input_schemas(name)), self._schemas.get(name)
            if before is not None and before.equals(output, check_metadata=True):
                continue  # the same object, so that answers cached for it stay valid
            self._schemas[name] = output
            if before is not None:
                differing.add(name)
        return differing

    def _reaches_further(self, differing: Collection[str], changed: Mapping[str, str]) -> bool:
        """True if an operator that was not edited reads another schema than before."""
        for name in differing:
            if any(
                (edge.down, edge.port) not in self._arrived and edge.down not in changed for edge in self.outputs(name)
            ):
                return True
        for (down, port), before in self._arrived.items():
            if down in self.operators and down not in changed:
                now = self._arriving(self._into[down][port])
                if now is not before and not now.equals(before, check_metadata=True):
                    return True
        return False

    def _arriving(self, edge: Edge) -> pa.Schema:
        if edge.side is None:
            return self._schemas[edge.up]
        return side_schema(self.operators[edge.up].spec, edge.side, self.input_schemas(edge.up))

    def _put(self, edge: Edge) -> None:
        """Replace the edge into the same port."""
        port = edge.down, edge.port
        before = self._into[edge.down][edge.port]
        if port not in self._arrived and before.up in self._schemas:
            self._arrived[port] = self._arriving(before)
        del self._out_of[before.up][port]
        self._into[edge.down][edge.port] = edge
        self._out_of.setdefault(edge.up, {})[port] = edge
        self._ends.update((before.up, edge.up, edge.down))

    def _place(self, edge: Edge, before: Port | None) -> None:
        """Give a new edge its place in the order of edges: ``before`` another one, or at the end."""
        port = edge.down, edge.port
        self._out_of.setdefault(edge.up, {})[port] = edge
        previous = self._previous[before]
        self._next[previous], self._previous[port] = port, previous
        self._next[port], self._previous[before] = before, port

    def _unlink(self, port: Port) -> None:
        following, previous = self._next.pop(port), self._previous.pop(port)
        self._next[previous], self._previous[following] = following, previous
