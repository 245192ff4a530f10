"""The job graph: operators and edges as plain data, before anything is decided about tasks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import pyarrow as pa

from sabotnb.blobs import Function, Value
from sabotnb.errors import GraphError, SchemaError
from sabotnb.graph.dataclass_codec import JsonDecoder, JsonEncoder
from sabotnb.graph.nodes import MAX_PARALLELISM, Edge, EdgeHint, EdgeType, Operator, Resources
from sabotnb.graph.output_schemas import output_schema
from sabotnb.graph.specs import Sink, Source
from sabotnb.graph.validation import Outputs, check, check_hint_columns, inputs_of, schemas_of
from sabotnb.topology import topological_order
from sabotnb.traversal import bottom_up

__all__ = ["MAX_PARALLELISM", "Edge", "EdgeHint", "EdgeType", "JobGraph", "Operator", "Resources"]

VERSION = 1
"""Of the JSON; readers refuse later ones."""

_NOT_OF_ITS_FORM = (SchemaError, LookupError, TypeError, ValueError, AttributeError, pa.ArrowException)
"""What reading data raises that ``to_dict`` did not write; GraphErrors say more and pass through."""


@dataclass(slots=True)
class _Known:
    """What was found out about a graph, which never changes; ``outputs`` also serves graphs derived from it.

    ``former`` are ids that graphs had from which this one was derived.
    """

    into: Mapping[str, list[Edge]] | None = None
    out_of: Mapping[str, list[Edge]] | None = None
    schemas: Mapping[str, pa.Schema] | None = None
    order: Sequence[str] | None = None
    outputs: Outputs = field(default_factory=dict)
    former: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class JobGraph:
    """Operators by id and edges between them. Immutable: ``add_operator`` and ``connect`` return a new graph."""

    operators: Mapping[str, Operator] = field(default_factory=dict)
    edges: tuple[Edge, ...] = ()
    _known: _Known = field(init=False, repr=False, compare=False, default_factory=_Known)

    to_execution_graph: ClassVar[Callable[..., Any]]
    """``sabotnb.plan.to_execution_graph``: that package lies above this one and attaches both methods."""
    to_graphviz: ClassVar[Callable[..., Any]]
    """``sabotnb.plan.to_graphviz``."""

    def add_operator(self, operator: Operator) -> Self:
        """A graph with ``operator`` too; GraphError if its id is taken."""
        if operator.id in self.operators:
            raise GraphError(f"the job graph has an operator {operator.id!r} already; take unique_id(kind)")
        return replace(self, operators={**self.operators, operator.id: operator})

    def connect(self, up: str, down: str, port: int = 0, hint: EdgeHint | None = None, side: str | None = None) -> Self:
        """A graph with an edge from ``up`` to input ``port`` of ``down``; GraphError for an unknown or fed end."""
        for end in (up, down):
            if end not in self.operators:
                raise GraphError(f"no operator {end!r} in the job graph; it has {', '.join(self.operators) or 'none'}")
        fed = next((edge for edge in self.edges if (edge.down, edge.port) == (down, port)), None)
        if fed:
            raise GraphError(f"input {port} of {down!r} is already fed by {fed.up!r}; unite the two with a Union")
        return replace(self, edges=(*self.edges, Edge(up, down, port, hint, side)))

    def derived(self, operators: Mapping[str, Operator], edges: Iterable[Edge]) -> Self:
        """A graph of these; schemas behind operators that it shares with this one are not found anew."""
        made = replace(self, operators=operators, edges=tuple(edges))
        if edges is self.edges:
            made._known.into, made._known.out_of = self._known.into, self._known.out_of  # noqa: SLF001
            made._known.order = self._known.order  # noqa: SLF001
        made._known.outputs = self._known.outputs  # noqa: SLF001  its own class's
        made._known.former = self._known.former.union(self.operators)  # noqa: SLF001
        return made

    def continue_from(self, before: JobGraph) -> set[str]:
        """Take over what is known of ``before``, from which a few edits made this graph; returns what they changed.

        That is every operator that is new or has another spec or another edge; all if a schema has changed. Edits one
        after the other would else cost the whole graph each time.
        """
        changed = {name for name, operator in self.operators.items() if before.operators.get(name) is not operator}
        former, present = set(map(id, before.edges)), set(map(id, self.edges))
        edges = [edge for edge in self.edges if id(edge) not in former]
        edges += [edge for edge in before.edges if id(edge) not in present]
        ups, downs = {edge.up for edge in edges}, {edge.down for edge in edges}
        changed |= (ups | downs) & self.operators.keys()
        known, old = self._known, before._known
        if old.into is not None:
            into = _grouped([edge for edge in self.edges if edge.down in downs], lambda edge: edge.down)
            ordered = {name: sorted(into.get(name, []), key=lambda edge: edge.port) for name in downs}
            known.into = {**old.into, **ordered}
        if old.out_of is not None:
            out_of = _grouped([edge for edge in self.edges if edge.up in ups], lambda edge: edge.up)
            known.out_of = {**old.out_of, **{name: out_of.get(name, []) for name in ups}}
        if old.schemas is not None:
            known.schemas = self._same_schemas(old.schemas, changed)
            return set(self.operators) if known.schemas is None else changed
        return changed

    def _same_schemas(self, schemas: Mapping[str, pa.Schema], changed: set[str]) -> Mapping[str, pa.Schema] | None:
        """``schemas`` with those of new operators; None if an operator gives another one than before."""
        same = {name: schema for name, schema in schemas.items() if name in self.operators}

        ids = {name: name for name in changed}  # bottom_up knows names by their identity

        def changed_above(name: str) -> list[str]:
            return [ids[edge.up] for edge in self.inputs(name) if edge.up in ids]

        for name in bottom_up([*ids.values()], changed_above):
            given = inputs_of(name, self.operators, self.inputs, same)
            found = output_schema(self.operators[name].spec, given)
            if name in same and not same[name].equals(found, check_metadata=True):
                return None
            same.setdefault(name, found)
        return same

    def unique_id(self, kind: str) -> str:
        """The next free readable id of a kind: ``filter_0``, then ``filter_1``; none that an operator once had.

        What is said of an operator that the optimizer has taken away is then never shown at another.
        """
        taken = self._known.former.union(self.operators)
        number = 0
        while f"{kind}_{number}" in taken:
            number += 1
        return f"{kind}_{number}"

    def get_sources(self) -> list[Operator]:
        """Operators that read from outside, in order of insertion."""
        return [operator for operator in self.operators.values() if isinstance(operator.spec, Source)]

    def get_sinks(self) -> list[Operator]:
        """Operators that write to outside, in order of insertion."""
        return [operator for operator in self.operators.values() if isinstance(operator.spec, Sink)]

    def inputs(self, operator: str) -> Sequence[Edge]:
        """Edges into ``operator``, in order of their ports."""
        if self._known.into is None:
            self._known.into = _grouped(sorted(self.edges, key=lambda edge: edge.port), lambda edge: edge.down)
        return self._known.into.get(operator, [])

    def outputs(self, operator: str) -> Sequence[Edge]:
        """Edges out of ``operator``, side outputs included."""
        if self._known.out_of is None:
            self._known.out_of = _grouped(self.edges, lambda edge: edge.up)
        return self._known.out_of.get(operator, [])

    def topological_sort(self) -> list[str]:
        """Ids so that each operator follows those it reads; GraphError names the cycle if there is one."""
        if self._known.order is None:
            self._known.order = topological_order(self.operators, [(edge.up, edge.down) for edge in self.edges])
        return list(self._known.order)

    def schemas(self) -> Mapping[str, pa.Schema]:
        """The schema behind each operator, by id; SchemaError names the operator that does not fit."""
        if self._known.schemas is None:
            self._known.schemas = schemas_of(self.operators, self.inputs, self.topological_sort(), self._known.outputs)
        return self._known.schemas

    def input_schemas(self, operator: str, schemas: Mapping[str, pa.Schema] | None = None) -> list[pa.Schema]:
        """The schema of each input port of ``operator``; ``schemas`` saves finding those behind operators again."""
        return inputs_of(operator, self.operators, self.inputs, self.schemas() if schemas is None else schemas)

    def validate(self) -> None:
        """Raise GraphError with all that keeps the graph from running, or SchemaError for columns that do not fit."""
        check(self.operators, self.edges)
        check_hint_columns(self.edges, self.schemas())

    def to_dict(self) -> dict[str, Any]:
        """The graph as JSON-able data; functions, values and tables stand as their sha256, their bytes as ``blobs``."""
        writer = JsonEncoder()
        operators = [writer.write(item) for item in self.operators.values()]
        edges = writer.write(self.edges)
        return {"version": VERSION, "operators": operators, "edges": edges, **writer.blob_index()}

    def blobs(self) -> dict[str, bytes]:
        """Bytes of the functions and values (pickled) and tables (Arrow IPC) of the graph, by sha256."""
        writer = JsonEncoder()
        writer.write(list(self.operators.values()))
        writer.write(self.edges)
        return writer.blobs()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], blobs: Mapping[str, bytes]) -> Self:
        """The graph that ``to_dict`` and ``blobs`` describe. Unpickles nothing.

        Raises:
            GraphError: something else, of another version, or blobs are missing. Whether it can run says ``validate``.
        """
        if not isinstance(data, Mapping) or not isinstance(blobs, Mapping):
            raise GraphError(
                "from_dict takes what to_dict() and blobs() gave, two dicts, "
                f"not {type(data).__name__} and {type(blobs).__name__}; JSON is read by json.loads(text) before"
            )
        if data.get("version") != VERSION:
            raise GraphError(f"a job graph of version {data.get('version')} cannot be read here; this reads {VERSION}")
        try:
            reader = JsonDecoder.of(data, blobs)
            operators = [reader.read(Operator, item) for item in data["operators"]]
            edges = tuple(reader.read(Edge, item) for item in data["edges"])
            made = cls({operator.id: operator for operator in operators}, edges)
            strange = {end for edge in edges for end in (edge.up, edge.down)} - made.operators.keys()
        except _NOT_OF_ITS_FORM as error:
            raise GraphError(
                f"this is no job graph as to_dict() writes it ({type(error).__name__}: {error}); give that, unchanged"
            ) from error
        if strange or len(made.operators) < len(operators):
            what = f"edges of unknown operators: {', '.join(map(repr, strange))}" if strange else "an operator twice"
            raise GraphError(f"this job graph has {what}; give what to_dict() wrote, unchanged")
        return made

    def fingerprint(self) -> str:
        """Equal for graphs that do the same: functions count by source and closed-over values, not where they stand."""
        writer = JsonEncoder()
        operators = [writer.write(replace(item, origin=None)) for item in self.operators.values()]
        text = json.dumps([VERSION, operators, writer.write(self.edges)], sort_keys=True)
        pickled: list[Function | Value] = [*writer.functions.values(), *writer.values.values()]
        for blob in pickled:
            text = text.replace(blob.sha256, blob.fingerprint)
        return hashlib.sha256(text.encode()).hexdigest()


def _grouped(edges: Iterable[Edge], end: Callable[[Edge], str]) -> dict[str, list[Edge]]:
    groups: dict[str, list[Edge]] = {}
    for edge in edges:
        groups.setdefault(end(edge), []).append(edge)
    return groups
