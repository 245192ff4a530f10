"""``StreamNode`` and ``StreamPlan``: the immutable description behind a ``Stream``. No data is read here.

A node is an operator with its schema and its inputs; a plan is one output of a node. Nodes are compared by identity, so
two outputs of one stream share its operators. Loops may write thousands of verbs: nothing here recurses over the depth,
and facts about all nodes below (bounded, replayable, names) are stored in each node when it is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import pyarrow as pa

from sabotnb.blobs import Origin, call_site
from sabotnb.errors import GraphError
from sabotnb.expr import duration_us, whole
from sabotnb.graph import (
    MAX_PARALLELISM,
    Aggregate,
    AssignTimes,
    EdgeHint,
    Project,
    Reduce,
    Source,
    Spec,
    StreamType,
    TimeColumn,
    Top,
    is_global,
    output_schema,
    output_type,
    side_schema,
)
from sabotnb.traversal import bottom_up


@dataclass(frozen=True, slots=True)
class Naming:
    """The options that ``.named(...)`` sets for an operator."""

    name: str | None = None
    parallelism: int | None = None
    tags: frozenset[str] = frozenset()
    slot_group: str = "default"
    update_every: int | None = None
    """Microseconds between updates of groups whose input is endless."""


def naming(name: Any, parallelism: Any, tags: Any, slot_group: Any, update_every: Any = None) -> Naming:
    """Check the arguments of ``named``; a single tag may be a plain string."""
    if name is not None and (not isinstance(name, str) or not name):
        raise GraphError(f"{name!r} is not a valid operator name; pass a string, or leave it out")
    if parallelism is not None:
        wrong = GraphError(f"parallelism is {parallelism!r}; give a number of tasks, 1 to {MAX_PARALLELISM}")
        parallelism = whole(parallelism, wrong, 1)
        if parallelism > MAX_PARALLELISM:
            raise wrong
    several = (tags,) if isinstance(tags, str) else tuple(tags or ())
    for what, given in (*(("a tag", tag) for tag in several), ("a slot group", slot_group)):
        if not isinstance(given, str) or not given:
            raise GraphError(f"{given!r} is not a valid name of {what}; pass a string")
    every = None if update_every is None else duration_us(update_every)
    if every is not None and every <= 0:
        raise GraphError(f"update_every={update_every!r}: give more than nothing, as in '1s'")
    return Naming(name, parallelism, frozenset(several), slot_group, every)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StreamNode:
    """One operator. Compared by identity: a node that two outputs share is one operator, which runs once."""

    spec: Spec
    schema: pa.Schema
    inputs: tuple[StreamPlan, ...] = ()
    naming: Naming = field(default_factory=Naming)
    origin: Origin | None = None
    names_below: Mapping[str, StreamNode] = field(default_factory=dict)
    """The named operators that this one reads, at any distance, by name."""
    bounded: bool = True
    """True if every source that it reads, or is, ends by itself."""
    replayable: bool = True
    """True if every source that it reads, or is, can be read again."""

    @property
    def names(self) -> Mapping[str, StreamNode]:
        """Named nodes by name: those below and this one."""
        return {**self.names_below, self.naming.name: self} if self.naming.name is not None else self.names_below

    def __repr__(self) -> str:
        return (
            f"StreamNode({self.naming.name or self.spec.kind})"  # without inputs: those of a diamond would be repeated
        )

    def __copy__(self) -> StreamNode:
        return self

    def __deepcopy__(self, _: dict[int, Any]) -> StreamNode:
        return self  # a copy would lose the identity, and would recurse over any depth


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StreamPlan:
    """The main output of ``node``, or its side output ``side``; ``hint`` says how rows are partitioned downstream."""

    node: StreamNode
    type: StreamType
    side: str | None = None
    hint: EdgeHint | None = None

    @property
    def schema(self) -> pa.Schema:
        """The columns of the rows."""
        return self.type.schema

    @property
    def event_time(self) -> TimeColumn | None:
        """Where the event time of the rows is; None if they have none."""
        return self.type.time

    def __repr__(self) -> str:
        return f"StreamPlan behind {self.node}"

    def __reduce__(self) -> tuple[Any, ...]:
        nodes = nodes_of((self,))
        number_of = {node: number for number, node in enumerate(nodes)}
        ends = [(number_of[flow.node], *flow.beside_node()) for node in nodes for flow in node.inputs]
        rows = [(node.spec, node.schema, len(node.inputs), node.naming, node.origin) for node in nodes]
        return _from_rows, (rows, [*ends, (number_of[self.node], *self.beside_node())])

    def beside_node(self) -> tuple[StreamType, str | None, EdgeHint | None]:
        """All fields but the node, for pickle."""
        return self.type, self.side, self.hint

    def then(self, spec: Spec, *others: StreamPlan) -> StreamPlan:
        """Add an operator that reads this flow at port 0 and ``others`` at the next ports; return its output.

        Raises the ``SchemaError`` of ``output_schema`` if the operator does not fit the columns, and the GraphError of
        ``output_type`` if it cannot take updates.
        """
        inputs = (self, *others)
        if others:
            _names_of(inputs)
        schema = output_schema(spec, [flow.schema for flow in inputs])
        behind = output_type(spec, [flow.type for flow in inputs], schema)
        return StreamPlan(_node(spec, schema, inputs, Naming(), call_site()), behind)

    def named(self, naming: Naming) -> StreamPlan:
        """The same flow with options for its last operator; earlier options that are not set now are kept."""
        before = self.node.naming
        merged = Naming(
            naming.name or before.name,
            naming.parallelism or before.parallelism,
            naming.tags or before.tags,
            naming.slot_group if naming.slot_group != "default" else before.slot_group,
        )
        if merged.parallelism not in (None, 1) and is_global(self.node.spec):
            raise GraphError(
                f"{self.node.spec.kind} must see all rows in one task, so its parallelism is 1, not "
                f"{merged.parallelism}; leave it out"
            )
        if isinstance(self.node.spec, AssignTimes) and replace(merged, name=before.name) != before:
            raise GraphError(
                f"event time {self.node.spec.column!r} is computed in the tasks of the source: set their parallelism, "
                "tags and slot_group there, as in Stream.from_parquet(path).named(parallelism=4)"
            )
        node = self.node if naming.update_every is None else _updating(self.node, naming.update_every)
        named = replace(node, naming=merged)
        if merged.name in self.node.names_below:
            check_names([named, *nodes_of(self.node.inputs)])
        return replace(self, node=named)

    def spread(self, hint: EdgeHint) -> StreamPlan:
        """The same rows, partitioned over the next operator's tasks as ``hint`` says."""
        return replace(self, hint=hint)

    def side_output(self, tag: str) -> StreamPlan:
        """The side output ``tag`` of the last operator; GraphError if it has none of that name.

        Projections have no side outputs, and verbs add some to drop helper columns: the operator before them counts,
        and before an assignment of event time.
        """
        node = self.node
        while isinstance(node.spec, Project | AssignTimes) and node.inputs[0].side is None:
            node = node.inputs[0].node
        schema = side_schema(node.spec, tag, [flow.schema for flow in node.inputs])
        return StreamPlan(node, StreamType(schema, bounded=self.type.bounded), side=tag)


def _updating(node: StreamNode, every: int) -> StreamNode:
    """``node`` with another interval between updates, its own or that of the groups that it calculates with.

    GraphError if it returns no updates.
    """
    spec = node.spec
    if isinstance(spec, Aggregate | Reduce | Top) and spec.every is not None:
        return replace(node, spec=replace(spec, every=every))
    if isinstance(spec, Project) and isinstance(node.inputs[0].node.spec, Aggregate | Top):
        above = node.inputs[0]
        return reading(node, replace(above, node=_updating(above.node, every)))
    raise GraphError(f"update_every= is for groups of an endless stream, and {spec.kind} returns no updates here")


def _from_rows(rows: list[Any], ends: list[Any]) -> StreamPlan:
    """Restore a flow from pickle: a flat list of nodes and one of their inputs, so that depth costs no recursion."""
    made: list[StreamNode] = []
    waiting = iter(ends)
    for spec, schema, count, given, origin in rows:
        inputs = tuple(StreamPlan(made[number], *rest) for number, *rest in islice(waiting, count))
        made.append(_node(spec, schema, inputs, given, origin))
    number, *rest = next(waiting)
    return StreamPlan(made[number], *rest)


def _node(
    spec: Spec, schema: pa.Schema, inputs: tuple[StreamPlan, ...], given: Naming, origin: Origin | None
) -> StreamNode:
    """Make a node, and compute what it stores about all nodes below it."""
    if isinstance(spec, Source):
        return StreamNode(spec, schema, inputs, given, origin, bounded=spec.bounded, replayable=spec.replayable)
    return StreamNode(
        spec,
        schema,
        inputs,
        given,
        origin,
        names_below=_names_of(inputs),
        bounded=all(flow.node.bounded for flow in inputs),
        replayable=all(flow.node.replayable for flow in inputs),
    )


def reading(node: StreamNode, *inputs: StreamPlan) -> StreamNode:
    """The same operator with other ``inputs``."""
    return _node(node.spec, node.schema, inputs, node.naming, node.origin)


def from_source(spec: Source) -> StreamPlan:
    """A flow from the source ``spec``."""
    return StreamPlan(_node(spec, spec.schema, (), Naming(), call_site()), output_type(spec, (), spec.schema))


def nodes_of(flows: tuple[StreamPlan, ...]) -> list[StreamNode]:
    """All nodes below ``flows``, each once, inputs first; the order is deterministic."""
    return bottom_up([flow.node for flow in flows], _read_by)


def _read_by(node: StreamNode) -> list[StreamNode]:
    return [flow.node for flow in node.inputs]


def _names_of(flows: tuple[StreamPlan, ...]) -> Mapping[str, StreamNode]:
    """Named operators of all ``flows``; GraphError if two share a name. Copies nothing if one flow has them all."""
    names = flows[0].node.names
    for flow in flows[1:]:
        others = flow.node.names
        if others is names or not others:
            continue
        if any(names.get(name, node) is not node for name, node in others.items()):
            check_names(nodes_of(flows))
        names = {**names, **others}
    return names


def check_names(nodes: Iterable[StreamNode]) -> None:
    """Raise GraphError if several operators have the same name."""
    given = Counter(node.naming.name for node in nodes if node.naming.name is not None)
    for name, times in given.items():
        if times > 1:
            raise GraphError(f"{times} operators are named {name!r}; give each .named(...) another name")


def is_bounded(flow: StreamPlan) -> bool:
    """True if every source below ``flow`` ends by itself."""
    return flow.node.bounded


def is_replayable(flow: StreamPlan) -> bool:
    """True if every source below ``flow`` can be read again."""
    return flow.node.replayable
