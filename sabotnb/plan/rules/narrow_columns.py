"""Columns that nobody reads are not read, computed, aggregated, or sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from sabotnb.expr import columns, known_column, partial_schema
from sabotnb.graph import (
    Aggregate,
    AggregateColumn,
    Distinct,
    Edge,
    Filter,
    JobGraph,
    Join,
    Phase,
    Project,
    Sort,
    Source,
    Spec,
    Union,
    is_stateful,
    output_schema,
    right_output_names,
)
from sabotnb.plan.graph_rewrite import Known, Rewrite, RewriteStep, beside, inserted, with_spec
from sabotnb.plan.sizes import row_width

Needed = Mapping[str, frozenset[str]]
"""Columns behind each operator that somebody reads."""


def narrow_columns(graph: JobGraph, _: Known) -> Rewrite | None:
    """Narrow every operator to what is read of it, and what enters operators that would hold dead columns.

    All at once, from the sources on: between two steps the inputs of a union would differ.
    """
    schemas = graph.schemas()
    needed = _needed(graph, schemas)
    narrowed, steps = graph, list[RewriteStep]()
    behind: dict[str, pa.Schema] = {}
    for name in graph.topological_sort():
        inputs = []
        for edge, before in zip(graph.inputs(name), graph.input_schemas(name, schemas), strict=True):
            schema = before if edge.side is not None else behind[edge.up]
            dead = set(schema.names) - _wanted_on(graph, edge, schemas, needed)
            if dead:
                narrowed, schema, step = _projected(narrowed, edge, schema, dead)
                steps.append(step)
            inputs.append(schema)
        spec, done = _narrowed(graph.operators[name].spec, name, inputs, needed[name])
        steps.extend(done)
        narrowed = with_spec(narrowed, name, spec)
        behind[name] = output_schema(spec, inputs)
    return Rewrite(narrowed, tuple(steps)) if steps else None


def _needed(graph: JobGraph, schemas: Mapping[str, pa.Schema]) -> Needed:
    needed: dict[str, frozenset[str]] = {}
    for name in reversed(graph.topological_sort()):
        wanted: set[str] = set()
        for edge in graph.outputs(name):
            if edge.side is None:
                wanted |= _read_through(graph, edge, schemas, needed)
        needed[name] = frozenset(wanted)
    return needed


def _narrowest(schema: pa.Schema) -> str:
    """What is carried along where only rows are counted, since a batch has its length from its columns."""
    return str(min(schema.names, key=lambda name: row_width(pa.schema([schema.field(name)]))))


def _used(aggregates: Sequence[AggregateColumn], needed: frozenset[str]) -> tuple[AggregateColumn, ...]:
    return tuple(column for column in aggregates if column.name in needed) or tuple(aggregates[:1])


def _read_through(graph: JobGraph, edge: Edge, schemas: Mapping[str, pa.Schema], needed: Needed) -> set[str]:
    """Columns of ``edge`` that its hint or its reader, or whoever reads that, needs; the smallest if there is none."""
    given = schemas[edge.up]
    return _read_by_hint(edge, given) | _read(graph, edge, schemas, needed) or {_narrowest(given)}


def _read_by_hint(edge: Edge, schema: pa.Schema) -> set[str]:
    if edge.hint is None:
        return set()
    return set(schema.names if edge.hint.function else edge.hint.keys)


def _read(  # noqa: PLR0911  one case per kind of operator
    graph: JobGraph, edge: Edge, schemas: Mapping[str, pa.Schema], needed: Needed
) -> set[str]:
    spec, behind = graph.operators[edge.down].spec, needed[edge.down]
    given = set(schemas[edge.up].names)
    match spec:
        case Filter(predicate=predicate):
            return set(behind) | columns(predicate)
        case Project(columns=made):
            return {name for output, expr in made if output in behind for name in columns(expr)}
        case Aggregate(phase=Phase.FULL, keys=keys, columns=made):
            read = {name for column in _used(made, behind) for name in (column.column, column.by)}
            return set(keys) | {name for name in read if name is not None}
        case Distinct(keys=keys) | Sort(by=keys):
            return set(behind) | set(keys)
        case Join():
            return _read_by_join(spec, edge.port, graph.input_schemas(edge.down, schemas), behind)
        case Union():
            return _read_by_union(graph.inputs(edge.down), schemas, behind)
        case _:  # sinks and user functions see everything, and top breaks ties by every column
            return given


def _read_by_union(inputs: Sequence[Edge], schemas: Mapping[str, pa.Schema], behind: frozenset[str]) -> set[str]:
    """The same for all inputs, which must stay equal: also what only one is spread by; all beside a side output."""
    if any(edge.side is not None for edge in inputs):
        return set(schemas[inputs[0].down].names)
    return set(behind).union(*(_read_by_hint(edge, schemas[edge.up]) for edge in inputs))


def _read_by_join(join: Join, port: int, inputs: Sequence[pa.Schema], behind: frozenset[str]) -> set[str]:
    left, right = inputs
    outputs = {} if join.how in ("semi", "anti") else right_output_names(join, left, right)
    if port == 1:
        return set(join.right_on) | {name for name, output in outputs.items() if output in behind}
    clashing = {name for name, output in outputs.items() if output in behind and output != name}
    return (set(left.names) & behind) | set(join.left_on) | clashing  # without its left twin no suffix would be given


def _narrowed(
    spec: Spec, name: str, inputs: Sequence[pa.Schema], needed: frozenset[str]
) -> tuple[Spec, Sequence[RewriteStep]]:
    """The spec with less output, and the step that says so if there is less."""
    match spec:
        case Source(schema=schema):
            time = {spec.event_time.column} if spec.event_time else set()
            kept = pa.schema([field for field in schema if field.name in needed | time])
            text = f"reads {len(kept)} of {len(schema)} columns: {', '.join(kept.names)}"
            return replace(spec, schema=kept), _step(name, text, len(schema), len(kept))
        case Project(columns=made):
            read = tuple(pair for pair in made if pair[0] in needed)
            text = f"makes {len(read)} of {len(made)} columns"
            return replace(spec, columns=read), _step(name, text, len(made), len(read))
        case Aggregate(phase=Phase.FULL, columns=aggregates):
            used = _used(aggregates, needed)
            text = f"computes {len(used)} of {len(aggregates)} aggregates"
            return replace(spec, columns=used, schema=inputs[0]), _step(name, text, len(aggregates), len(used))
        case _:
            return spec, ()


def _step(name: str, text: str, before: int, after: int) -> Sequence[RewriteStep]:
    return (RewriteStep("narrow columns", name, text, before, after),) if after < before else ()


def _wanted_on(graph: JobGraph, edge: Edge, schemas: Mapping[str, pa.Schema], needed: Needed) -> set[str]:
    """What may enter the operator below ``edge``: everything, unless it holds rows or takes a fixed schema."""
    spec = graph.operators[edge.down].spec
    fixed = isinstance(spec, Union) or (is_stateful(spec) and not _shrinks_before_it_travels(spec))
    if edge.side is not None or not fixed:
        return set(graph.input_schemas(edge.down, schemas)[edge.port].names)
    return _read_through(graph, edge, schemas, needed)


def _shrinks_before_it_travels(spec: Spec) -> bool:
    return isinstance(spec, Aggregate) and partial_schema(spec.keys, spec.columns, spec.schema) is not None


def _projected(
    graph: JobGraph, edge: Edge, schema: pa.Schema, dead: set[str]
) -> tuple[JobGraph, pa.Schema, RewriteStep]:
    """A projection on ``edge`` without the dead columns, and the schema behind it."""
    kept = pa.schema([field for field in schema if field.name not in dead])
    project = Project(tuple((name, known_column(name)) for name in kept.names))
    narrowed = inserted(graph, edge, beside(graph, edge.up, graph.unique_id(Project.kind), project))
    text = f"only {', '.join(kept.names)} enter {edge.down}"
    return narrowed, kept, RewriteStep("narrow columns", edge.down, text, len(schema), len(kept))
