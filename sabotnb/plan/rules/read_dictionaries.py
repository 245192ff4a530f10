"""String columns that are only grouped by are read as dictionaries: hashed once per value, not once per row.

Users never see such a dictionary. It lives from the source to the aggregates that group by it, whose keys leave as
``Aggregate.schema`` says, as strings. A column that may reach anything else than row verbs and the keys of aggregates
is read as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa

from sabotnb.expr import column_name, columns
from sabotnb.graph import Aggregate, Edge, Filter, JobGraph, Phase, Project, Source
from sabotnb.plan.rewrite import Known, Rewrite, Step, with_spec

DICTIONARIES = frozenset({"parquet"})
"""Connectors whose files hold dictionaries, which a reader can hand over as they are."""

ENCODED = pa.dictionary(pa.int32(), pa.string())


def read_dictionaries(graph: JobGraph, _: Known) -> Rewrite | None:
    """Turn the string columns of a Parquet source that are only keys of aggregates into dictionaries."""
    for operator in graph.operators.values():
        source = operator.spec
        if not isinstance(source, Source) or source.connector not in DICTIONARIES:
            continue
        read = [
            field.name
            for field in source.schema
            if pa.types.is_string(field.type) and all(_uses(graph, operator.id, field.name))
        ]
        if read:
            schema = pa.schema([field.with_type(ENCODED) if field.name in read else field for field in source.schema])
            text = f"{', '.join(read)} as dictionaries: only grouped by"
            encoded = with_spec(graph, operator.id, replace(source, schema=schema))
            return Rewrite(encoded, (Step("read dictionaries", operator.id, text, len(source.schema), len(read)),))
    return None


def _uses(graph: JobGraph, name: str, column: str) -> Iterator[bool]:
    """For each use of ``column`` behind operator ``name``: whether a dictionary serves it."""
    for edge in graph.outputs(name):
        yield from _uses_at(graph, edge, column)


def _uses_at(graph: JobGraph, edge: Edge, column: str) -> Iterator[bool]:
    spec = graph.operators[edge.down].spec
    if edge.side is not None or (edge.hint and edge.hint.function):
        yield False
        return
    match spec:
        case Filter(predicate=predicate):
            if column in columns(predicate):
                yield False
            yield from _uses(graph, edge.down, column)
        case Project(columns=made):
            for output, expr in made:
                if column_name(expr) == column:
                    yield from _uses(graph, edge.down, output)
                elif column in columns(expr):
                    yield False
        case Aggregate(phase=Phase.FULL | Phase.PARTIAL, keys=keys, columns=aggregates):
            read = {name for one in aggregates for name in (one.column, one.by)}
            yield column in keys and column not in read
        case _:
            yield False
