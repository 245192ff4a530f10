"""The job graph: operators and edges as plain data, before a plan decides on tasks."""

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
from sabotnb.graph.output_schemas import side_schema
from sabotnb.graph.output_types import output_type
from sabotnb.graph.specs import Sink, Source
from sabotnb.graph.stream_type import StreamType
from sabotnb.graph.validation import Outputs, check, check_hint_columns, inputs_of, schemas_of
from sabotnb.topology import topological_order

__all__ = ["MAX_PARALLELISM", "Edge", "EdgeHint", "EdgeType", "JobGraph", "Operator", "Resources"]

VERSION = 1
"""Version of the JSON form; a reader refuses any other."""

_MALFORMED = (SchemaError, LookupError, TypeError, ValueError, AttributeError, pa.ArrowException)
"""Exceptions of decoding data that ``to_dict`` did not write; GraphErrors have a better message and pass through."""


@dataclass(slots=True)
class _Known:
    """Cached facts about a graph; ``outputs`` is shared with the graphs that are derived from it.

    ``used_ids`` are the ids of the graphs from which this one was derived.
    """

    into: Mapping[str, list[Edge]] | None = None
    out_of: Mapping[str, list[Edge]] | None = None
    schemas: Mapping[str, pa.Schema] | None = None
    types: Mapping[str, StreamType] | None = None
    order: Sequence[str] | None = None
    outputs: Outputs = field(default_factory=dict)
    used_ids: frozenset[str] = frozenset()
    written: tuple[dict[str, Any], JsonEncoder] | None = None


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
        """Return a graph with ``operator`` added; GraphError if its id is taken."""
        if operator.id in self.operators:
            raise GraphError(f"the job graph already has an operator {operator.id!r}; use unique_id(kind)")
        return replace(self, operators={**self.operators, operator.id: operator})

    def connect(self, up: str, down: str, port: int = 0, hint: EdgeHint | None = None, side: str | None = None) -> Self:
        """Return a graph with an edge from ``up`` to input ``port`` of ``down``; GraphError if that port is fed."""
        for end in (up, down):
            if end not in self.operators:
                raise GraphError(f"no operator {end!r} in the job graph; it has {', '.join(self.operators) or 'none'}")
        fed = next((edge for edge in self.edges if (edge.down, edge.port) == (down, port)), None)
        if fed:
            raise GraphError(f"input {port} of {down!r} is already fed by {fed.up!r}; combine the two with a Union")
        return replace(self, edges=(*self.edges, Edge(up, down, port, hint, side)))

    def derived(self, operators: Mapping[str, Operator], edges: Iterable[Edge], used_ids: Iterable[str] = ()) -> Self:
        """Return a graph of these; it reuses the schemas behind operators that it shares with this one.

        ``used_ids`` are ids that ``unique_id`` must not return, besides those of this graph.
        """
        graph = replace(self, operators=operators, edges=tuple(edges))
        graph._known.outputs = self._known.outputs  # noqa: SLF001  of its own class
        graph._known.used_ids = self.used_ids().union(used_ids)  # noqa: SLF001
        return graph

    def unique_id(self, kind: str) -> str:
        """Return the next free readable id of a kind: ``filter_0``, then ``filter_1``.

        Ids of operators that the optimizer removed are not used again: messages about these would be shown at another.
        """
        taken = self.used_ids()
        number = 0
        while f"{kind}_{number}" in taken:
            number += 1
        return f"{kind}_{number}"

    def used_ids(self) -> frozenset[str]:
        """Return the ids of all operators, and of those that were in the graphs from which this one was derived."""
        return self._known.used_ids.union(self.operators)

    def get_sources(self) -> list[Operator]:
        """Return the sources, in order of insertion."""
        return [operator for operator in self.operators.values() if isinstance(operator.spec, Source)]

    def get_sinks(self) -> list[Operator]:
        """Return the sinks, in order of insertion."""
        return [operator for operator in self.operators.values() if isinstance(operator.spec, Sink)]

    def inputs(self, operator: str) -> Sequence[Edge]:
        """Return the edges into ``operator``, in order of their ports."""
        if self._known.into is None:
            self._known.into = _grouped(sorted(self.edges, key=lambda edge: edge.port), lambda edge: edge.down)
        return self._known.into.get(operator, [])

    def outputs(self, operator: str) -> Sequence[Edge]:
        """Return the edges out of ``operator``, side outputs included."""
        if self._known.out_of is None:
            self._known.out_of = _grouped(self.edges, lambda edge: edge.up)
        return self._known.out_of.get(operator, [])

    def topological_sort(self) -> list[str]:
        """Return the ids so that each operator follows those it reads; GraphError names a cycle if there is one."""
        if self._known.order is None:
            self._known.order = topological_order(self.operators, [(edge.up, edge.down) for edge in self.edges])
        return list(self._known.order)

    def schemas(self) -> Mapping[str, pa.Schema]:
        """Return the schema behind each operator, by id; SchemaError names an operator that does not fit its input."""
        if self._known.schemas is None:
            self._known.schemas = schemas_of(self.operators, self.inputs, self.topological_sort(), self._known.outputs)
        return self._known.schemas

    def types(self) -> Mapping[str, StreamType]:
        """Return the type of the main output of each operator, by id; GraphError if one cannot take its input."""
        if self._known.types is None:
            schemas, types = self.schemas(), dict[str, StreamType]()
            for name in self.topological_sort():
                inputs = [self.edge_type(edge, types) for edge in self.inputs(name)]
                types[name] = output_type(self.operators[name].spec, inputs, schemas[name])
            self._known.types = types
        return self._known.types

    def edge_type(self, edge: Edge, types: Mapping[str, StreamType] | None = None) -> StreamType:
        """Return the type of the rows on ``edge``; those of a side output have no event time and are final."""
        known = self.types() if types is None else types
        if edge.side is None:
            return known[edge.up]
        schema = side_schema(self.operators[edge.up].spec, edge.side, self.input_schemas(edge.up))
        return StreamType(schema, bounded=known[edge.up].bounded)

    def input_schemas(self, operator: str, schemas: Mapping[str, pa.Schema] | None = None) -> list[pa.Schema]:
        """Return the schema of each input port of ``operator``; ``schemas`` are those behind operators, if known."""
        return inputs_of(operator, self.operators, self.inputs, self.schemas() if schemas is None else schemas)

    def validate(self) -> None:
        """Raise GraphError with every reason why the graph cannot run, or SchemaError for columns that do not fit."""
        check(self.operators, self.edges)
        check_hint_columns(self.edges, self.schemas())
        self.types()

    def to_dict(self) -> dict[str, Any]:
        """Return the graph as JSON-able data; for functions, values and tables it has the sha256."""
        return _dict_of(self)[0]

    def written(self) -> Mapping[str, Any]:
        """Return ``to_dict()``, which is written once per graph: do not modify it."""
        return self._written()[0]

    def _written(self) -> tuple[dict[str, Any], JsonEncoder]:
        if self._known.written is None:
            self._known.written = _dict_of(self)
        return self._known.written

    def blobs(self) -> dict[str, bytes]:
        """Return the bytes of the functions and values (pickled) and tables (Arrow IPC) of the graph, by sha256."""
        return self._written()[1].blobs()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], blobs: Mapping[str, bytes]) -> Self:
        """Return the graph that ``to_dict`` and ``blobs`` describe. Unpickles nothing.

        Raises:
            GraphError: the data is malformed or of another version, or blobs are missing. ``validate`` checks the rest.
        """
        if not isinstance(data, Mapping) or not isinstance(blobs, Mapping):
            raise GraphError(
                "from_dict takes two dicts, the results of to_dict() and blobs(), "
                f"not {type(data).__name__} and {type(blobs).__name__}; pass JSON through json.loads(text) first"
            )
        if data.get("version") != VERSION:
            raise GraphError(
                f"a job graph of version {data.get('version')} cannot be read; this sabotnb reads {VERSION}"
            )
        try:
            reader = JsonDecoder.of(data, blobs)
            operators = [reader.read(Operator, item) for item in data["operators"]]
            edges = tuple(reader.read(Edge, item) for item in data["edges"])
            graph = cls({operator.id: operator for operator in operators}, edges)
            unknown = {end for edge in edges for end in (edge.up, edge.down)} - graph.operators.keys()
        except _MALFORMED as error:
            raise GraphError(
                f"this is not what to_dict() writes ({type(error).__name__}: {error}); pass its result unchanged"
            ) from error
        if unknown or len(graph.operators) < len(operators):
            defect = f"edges of unknown operators: {', '.join(map(repr, unknown))}" if unknown else "an operator twice"
            raise GraphError(f"this job graph has {defect}; pass the result of to_dict() unchanged")
        return graph

    def fingerprint(self) -> str:
        """Return a hash that is equal for graphs that do the same; functions count by source and closed-over values."""
        data, writer = self._written()
        operators = [
            {name: value for name, value in operator.items() if name != "origin"} for operator in data["operators"]
        ]
        text = json.dumps([VERSION, operators, data["edges"]], sort_keys=True)
        pickled: list[Function | Value] = [*writer.functions.values(), *writer.values.values()]
        for blob in pickled:
            text = text.replace(blob.sha256, blob.fingerprint)
        return hashlib.sha256(text.encode()).hexdigest()


def _grouped(edges: Iterable[Edge], end: Callable[[Edge], str]) -> dict[str, list[Edge]]:
    groups: dict[str, list[Edge]] = {}
    for edge in edges:
        groups.setdefault(end(edge), []).append(edge)
    return groups


def _dict_of(graph: JobGraph) -> tuple[dict[str, Any], JsonEncoder]:
    """Return the graph as ``JobGraph.to_dict`` does, and the encoder, which has met its functions and values."""
    writer = JsonEncoder()
    operators = [writer.write(item) for item in graph.operators.values()]
    edges = writer.write(graph.edges)
    return {"version": VERSION, "operators": operators, "edges": edges, **writer.blob_index()}, writer
