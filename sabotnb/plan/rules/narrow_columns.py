"""Drop columns that no operator reads: from sources, projections, aggregates and exchanges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from sabotnb.expr import columns, known_column, partial_schema
from sabotnb.graph import (
    Aggregate,
    AggregateColumn,
    AsofJoin,
    AssignTimes,
    Distinct,
    Edge,
    Filter,
    IntervalJoin,
    JobGraph,
    Join,
    KeyedJoin,
    Phase,
    Project,
    Sort,
    Source,
    Spec,
    Union,
    Window,
    WindowJoin,
    is_stateful,
    output_schema,
    right_output_names,
)
from sabotnb.plan.graph_draft import GraphDraft
from sabotnb.plan.graph_rewrite import Known, Rewrite, RewriteStep, beside
from sabotnb.plan.sizes import row_width

Needed = Mapping[str, frozenset[str]]
"""Columns of each operator's output that are read further down."""


def narrow_columns(graph: JobGraph, _: Known) -> Rewrite | None:
    """Narrow the output of every operator to the columns that are read, and the input of operators that hold rows.

    In one application, from the sources down: narrowed one by one, the inputs of a union would have unequal schemas.
    """
    schemas = graph.schemas()
    needed, read = _needed(graph, schemas)
    draft, steps = GraphDraft(graph), list[RewriteStep]()
    behind: dict[str, pa.Schema] = {}
    for name in graph.topological_sort():
        inputs = []
        fixed = _needs_exact_inputs(graph.operators[name].spec)
        for edge, before, wanted in zip(
            graph.inputs(name), graph.input_schemas(name, schemas), read[name], strict=True
        ):
            schema = before if edge.side is not None else behind[edge.up]
            dead = set(schema.names) - wanted if fixed and edge.side is None else set()
            if dead:
                schema, step = _project(draft, edge, schema, dead)
                steps.append(step)
            inputs.append(schema)
        spec, done = _narrowed(graph.operators[name].spec, name, inputs, needed[name])
        steps.extend(done)
        draft.set_spec(name, spec)
        behind[name] = output_schema(spec, inputs)
    return Rewrite(draft.frozen(), tuple(steps)) if steps else None


def _needed(graph: JobGraph, schemas: Mapping[str, pa.Schema]) -> tuple[Needed, Mapping[str, Sequence[set[str]]]]:
    """Return the columns of each operator's output that are read, and of each of its input ports."""
    needed: dict[str, frozenset[str]] = {}
    read: dict[str, Sequence[set[str]]] = {}
    for name in reversed(graph.topological_sort()):
        wanted = (read[edge.down][edge.port] for edge in graph.outputs(name) if edge.side is None)
        needed[name] = frozenset[str]().union(*wanted)
        inputs = list(zip(graph.inputs(name), graph.input_schemas(name, schemas), strict=True))
        if any(edge.side is not None for edge in graph.outputs(name)):  # its rows have all columns of the input
            read[name] = [set(schema.names) for _, schema in inputs]
        else:
            read[name] = _read_through(graph.operators[name].spec, inputs, schemas[name], needed[name])
    return needed, read


def _narrowest(schema: pa.Schema) -> str:
    """Return the column to keep where rows are only counted: a batch without columns has no length."""
    return str(min(schema.names, key=lambda name: row_width(pa.schema([schema.field(name)]))))


def _used(aggregates: Sequence[AggregateColumn], needed: frozenset[str]) -> tuple[AggregateColumn, ...]:
    return tuple(column for column in aggregates if column.name in needed) or tuple(aggregates[:1])


def _read_through(
    spec: Spec, inputs: Sequence[tuple[Edge, pa.Schema]], output: pa.Schema, behind: frozenset[str]
) -> Sequence[set[str]]:
    """For each input port, return the columns that the hint of its edge or an operator below needs.

    That is the narrowest column if none is needed. The set of a union is computed once: it may have thousands of ports.
    """
    schemas = [schema for _, schema in inputs]
    shared = _read_by_union(inputs, output, behind) if isinstance(spec, Union) else None
    read = (_read(spec, edge.port, schemas, behind) if shared is None else shared for edge, _ in inputs)
    return [
        _read_by_hint(edge, schema) | columns_read or {_narrowest(schema)}
        for (edge, schema), columns_read in zip(inputs, read, strict=True)
    ]


def _read_by_hint(edge: Edge, schema: pa.Schema) -> set[str]:
    if edge.hint is None:
        return set()
    return set(schema.names if edge.hint.function else edge.hint.keys)


def _read(  # noqa: PLR0911  one case per kind of operator
    spec: Spec, port: int, inputs: Sequence[pa.Schema], behind: frozenset[str]
) -> set[str]:
    match spec:
        case Filter(predicate=predicate):
            return set(behind) | columns(predicate)
        case AssignTimes(column=column):
            return {*behind, column}
        case Project(columns=projected):
            return {name for output, expr in projected if output in behind for name in columns(expr)}
        case Aggregate(phase=Phase.FULL, keys=keys, columns=aggregates):
            read = {name for column in _used(aggregates, behind) for name in (column.column, column.by)}
            return set(keys) | {name for name in read if name is not None}
        case Window(verb=Aggregate(phase=Phase.FULL, columns=aggregates)):
            read = {name for column in _used(aggregates, behind) for name in (column.column, column.by)}
            return {*spec.columns, *spec.keys, *(spec.updated or ()), *(name for name in read if name is not None)}
        case Distinct(keys=keys) | Sort(by=keys):
            return set(behind) | set(keys)
        case Join():
            return _read_by_join(spec, port, inputs, behind)
        case AsofJoin():
            wanted = _read_by_join(spec, port, inputs, behind) | set(spec.columns(port))
            return _up_to_last(wanted, inputs[1]) if port == 1 else wanted
        case IntervalJoin() | WindowJoin():
            return _read_by_join(spec, port, inputs, behind) | set(spec.columns(port))
        case _:  # sinks and user functions see everything, and top breaks ties by every column
            return set(inputs[port].names)


def _read_by_union(inputs: Sequence[tuple[Edge, pa.Schema]], output: pa.Schema, behind: frozenset[str]) -> set[str]:
    """Return the columns that every input must have, hint columns of one of them included; all beside a side output."""
    if any(edge.side is not None for edge, _ in inputs):
        return set(output.names)
    return set(behind).union(*(_read_by_hint(edge, schema) for edge, schema in inputs))


def _read_by_join(join: KeyedJoin, port: int, inputs: Sequence[pa.Schema], behind: frozenset[str]) -> set[str]:
    left, right = inputs
    outputs = {} if join.how in ("semi", "anti") else right_output_names(join, left, right)
    if port == 1:
        return set(join.right_on) | {name for name, output in outputs.items() if output in behind}
    clashing = {name for name, output in outputs.items() if output in behind and output != name}
    # A clashing left column is kept: without it the right one would lose its suffix.
    return (set(left.names) & behind) | set(join.left_on) | clashing


def _up_to_last(read: set[str], right: pa.Schema) -> set[str]:
    """The right columns that decide which of the rows at one time an as-of join finds: those before the last one read.

    It finds the smallest, compared from the first column to the last.
    """
    last = max(right.get_field_index(name) for name in read)
    return set(right.names[: last + 1])


def _narrowed(
    spec: Spec, name: str, inputs: Sequence[pa.Schema], needed: frozenset[str]
) -> tuple[Spec, Sequence[RewriteStep]]:
    """Return the spec with the output that is needed, and the step that describes the change if there is one."""
    match spec:
        case Source(schema=schema):
            time = {spec.event_time.column} if spec.event_time else set()
            kept = pa.schema([field for field in schema if field.name in needed | time])
            text = f"reads {len(kept)} of {len(schema)} columns: {', '.join(kept.names)}"
            return replace(spec, schema=kept), _step(name, text, len(schema), len(kept))
        case Project(columns=projected):
            read = tuple(pair for pair in projected if pair[0] in needed)
            text = f"makes {len(read)} of {len(projected)} columns"
            return replace(spec, columns=read), _step(name, text, len(projected), len(read))
        case Aggregate(phase=Phase.FULL, columns=aggregates):
            used = _used(aggregates, needed)
            text = f"computes {len(used)} of {len(aggregates)} aggregates"
            return replace(spec, columns=used, schema=inputs[0]), _step(name, text, len(aggregates), len(used))
        case Window(verb=Aggregate(phase=Phase.FULL, columns=aggregates) as verb):
            used = _used(aggregates, needed)
            text = f"computes {len(used)} of {len(aggregates)} aggregates"
            narrowed = replace(spec, verb=replace(verb, columns=used, schema=inputs[0]))
            return narrowed, _step(name, text, len(aggregates), len(used))
        case _:
            return spec, ()


def _step(name: str, text: str, before: int, after: int) -> Sequence[RewriteStep]:
    return (RewriteStep("narrow columns", name, text, before, after),) if after < before else ()


def _needs_exact_inputs(spec: Spec) -> bool:
    """True if columns are dropped before the operator: it holds rows, or needs equal inputs."""
    return isinstance(spec, Union) or (is_stateful(spec) and not _shrinks_before_it_travels(spec))


def _shrinks_before_it_travels(spec: Spec) -> bool:
    return isinstance(spec, Aggregate) and partial_schema(spec.keys, spec.columns, spec.schema) is not None


def _project(draft: GraphDraft, edge: Edge, schema: pa.Schema, dead: set[str]) -> tuple[pa.Schema, RewriteStep]:
    """Insert a projection on ``edge`` without the dead columns; returns the schema behind it, and the step."""
    kept = pa.schema([field for field in schema if field.name not in dead])
    project = Project(tuple((name, known_column(name)) for name in kept.names))
    draft.insert(edge, beside(draft, edge.up, draft.unique_id(Project.kind), project))
    text = f"only {', '.join(kept.names)} enter {edge.down}"
    return kept, RewriteStep("narrow columns", edge.down, text, len(schema), len(kept))
