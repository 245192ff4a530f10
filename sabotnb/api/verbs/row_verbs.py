"""Verbs on single rows (filter, select, map), and union, distinct and sort."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from sabotnb.api.stream_node import StreamPlan
from sabotnb.api.verbs import columns
from sabotnb.api.verbs.columns import Column
from sabotnb.api.verbs.function_schemas import inferred_of_async, inferred_of_batches, inferred_of_rows
from sabotnb.api.verbs.user_schemas import as_schema
from sabotnb.api.verbs.verb_options import seconds
from sabotnb.blobs import capture
from sabotnb.errors import GraphError, SchemaError
from sabotnb.expr import Expr, all_of, col, exact_number, known_column, whole
from sabotnb.graph import Distinct, Filter, FilterBatches, MapAsync, MapBatches, MapRows, OnError, Project, Sort, Union
from sabotnb.native import plain_type
from sabotnb.operators import check_format

Condition = Column | Callable[[pa.RecordBatch], Any]


def filtered(flow: StreamPlan, conditions: Sequence[Condition]) -> StreamPlan:
    """Keep rows for which all conditions hold; a callable gives the mask of a whole batch."""
    if not conditions:
        raise SchemaError("filter() has no condition; give one: .filter(col('x') > 0)")
    every = columns.flat(conditions)
    exprs = [columns.as_expr(given) for given in every if isinstance(given, str | Expr)]
    kept = flow.then(Filter(all_of(exprs))) if exprs else flow
    for given in every:
        if not isinstance(given, str | Expr):
            _demand_condition(given)
            kept = kept.then(FilterBatches(capture(given, "filter")))
    return kept


def _demand_condition(given: object) -> None:
    if isinstance(given, bool):
        raise SchemaError(
            f"filter got {given}, one truth for all rows: `is`, `in` and a method without () compare objects; "
            "write col('x').is_null(), col('x').is_in([1, 2]) or col('t').dt.year() == 2013"
        )
    if not callable(given):
        written = f"{given!r} ({type(given).__name__})"
        raise SchemaError(f"filter takes conditions, not {written}; write .filter(col('x') > 1)")


def selected(flow: StreamPlan, exprs: Sequence[Column], keywords: Mapping[str, object]) -> StreamPlan:
    """Keep exactly these columns."""
    chosen = columns.named(exprs, keywords, flow.schema)
    if not chosen:
        raise SchemaError(f"select() has no column; the stream has: {', '.join(flow.schema.names)}")
    return flow.then(Project(chosen))


def with_columns(flow: StreamPlan, exprs: Sequence[Column], keywords: Mapping[str, object]) -> StreamPlan:
    """Add these columns; one with the name of an existing column replaces it in its position."""
    new = dict(columns.named(exprs, keywords, flow.schema))
    kept = [(name, new.pop(name, known_column(name))) for name in flow.schema.names]
    return flow.then(Project((*kept, *new.items())))


def dropped(flow: StreamPlan, given: Sequence[Column]) -> StreamPlan:
    """Remove these columns."""
    gone = columns.names(given, flow.schema)
    kept = tuple((name, known_column(name)) for name in flow.schema.names if name not in gone)
    if not kept:
        raise SchemaError("drop would leave no column; keep at least one")
    return flow.then(Project(kept))


def renamed(flow: StreamPlan, new_names: Mapping[str, str]) -> StreamPlan:
    """Rename columns."""
    if not isinstance(new_names, Mapping) or not all(isinstance(name, str) for name in new_names.values()):
        raise SchemaError(f"rename takes new names by the old ones, not {new_names!r}; write .rename({{'old': 'new'}})")
    columns.names(tuple(new_names), flow.schema)
    pairs = tuple((new_names.get(name, name), known_column(name)) for name in flow.schema.names)
    columns.refuse_duplicates([name for name, _ in pairs])
    return flow.then(Project(pairs))


def mapped_batches(
    flow: StreamPlan, fn: Callable[..., Any], schema: Any, batch_format: str, on_error: str
) -> StreamPlan:
    """Call ``fn`` with each batch; without ``schema``, it is inferred from an empty batch."""
    function = capture(fn, "map_batches")
    _one_of("format", batch_format, ("arrow", "pandas", "polars"))
    _one_of("on_error", on_error, ("fail", "side"))
    check_format(flow.schema, batch_format)
    result = as_schema(inferred_of_batches(fn, function, flow.schema, batch_format) if schema is None else schema)
    return flow.then(MapBatches(function, result, batch_format, OnError(on_error), inferred=schema is None))


def mapped_rows(flow: StreamPlan, fn: Callable[..., Any], schema: Any, on_error: str) -> StreamPlan:
    """Call ``fn`` with each row as a dict; without ``schema``, it is inferred from the first 100 rows."""
    function = capture(fn, "map_rows")
    _one_of("on_error", on_error, ("fail", "side"))
    result = as_schema(schema) if schema is not None else inferred_of_rows(fn, function, flow)
    return flow.then(MapRows(function, result, OnError(on_error), inferred=schema is None))


def mapped_async(
    flow: StreamPlan,
    fn: Callable[..., Any],
    schema: Any,
    concurrency: Any,
    timeout: Any,
    on_error: str,
    *,
    ordered: bool,
) -> StreamPlan:
    """Call ``fn``, a coroutine function or a plain one, with many rows at a time."""
    function = capture(fn, "map_async")
    _one_of("on_error", on_error, ("fail", "side"))
    if not isinstance(ordered, bool):
        raise SchemaError(f"ordered is {ordered!r}; write True to keep the order of the rows, or False")
    wrong = SchemaError(f"concurrency={concurrency!r}: give the number of calls at a time, such as 32")
    several = whole(concurrency, wrong, 1)
    limit = seconds(timeout)
    if limit is not None and limit <= 0:
        raise SchemaError(f"timeout={timeout!r} lets no call end; write timeout='30s', or None to wait forever")
    us = None if limit is None else round(limit * 1e6)
    result = as_schema(schema) if schema is not None else inferred_of_async(fn, function, flow)
    return flow.then(MapAsync(function, result, several, ordered, us, OnError(on_error), inferred=schema is None))


def united(flow: StreamPlan, others: Sequence[StreamPlan]) -> StreamPlan:
    """All rows of all flows, numbers in a type that holds those of all without rounding.

    Raises:
        SchemaError: a schema differs from the first in anything else.
    """
    if not others:
        return flow
    wide = _widened([flow.schema, *(other.schema for other in others)])
    return cast(flow, wide).then(Union(len(others) + 1), *(cast(other, wide) for other in others))


def _widened(schemas: Sequence[pa.Schema]) -> dict[str, pa.DataType]:
    """The types of columns that are numbers of different types, where one type holds all of them exactly."""
    if all(schema is schemas[0] or schema.equals(schemas[0]) for schema in schemas):
        return {}
    types_of: dict[str, list[pa.DataType]] = {}
    for schema in {id(schema): schema for schema in schemas}.values():
        for field in schema:
            types_of.setdefault(field.name, []).append(plain_type(field.type))
    differ = {name: types for name, types in types_of.items() if any(not kind.equals(types[0]) for kind in types)}
    return {name: wide for name, types in differ.items() if (wide := exact_number(types)) is not None}


def cast(flow: StreamPlan, types: Mapping[str, pa.DataType]) -> StreamPlan:
    """``flow`` with these columns in these types; ``flow`` itself if they have them."""
    known = {field.name: field.type for field in flow.schema}
    new = {name: col(name).cast(kind) for name, kind in types.items() if name in known and known[name] != kind}
    return with_columns(flow, (), new) if new else flow


def distinct(flow: StreamPlan, given: Sequence[Column]) -> StreamPlan:
    """One row of each distinct value of these columns; of all columns if none is named."""
    return flow.then(Distinct(columns.names(given, flow.schema) or tuple(flow.schema.names)))


def ordered(flow: StreamPlan, given: Sequence[Column], descending: bool | Sequence[bool]) -> StreamPlan:
    """Sort by these columns, all the same way or each its own."""
    by = columns.names(given, flow.schema)
    if not by:
        raise SchemaError(f"sort() has no column; the stream has: {', '.join(flow.schema.names)}")
    ways = tuple(descending) if isinstance(descending, Sequence) else (descending,) * len(by)
    if not all(isinstance(way, bool) for way in ways):
        raise SchemaError(f"descending is {descending!r}; give True or False, or one of them for each column")
    if len(ways) != len(by):
        raise SchemaError(f"descending has {len(ways)} values for {len(by)} columns; give one for each, or one for all")
    return flow.then(Sort(by, ways))


def _one_of(option: str, given: str, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        raise GraphError(f"{option} is {given!r}; choose one of {', '.join(map(repr, allowed))}")
