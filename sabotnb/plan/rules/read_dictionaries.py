"""Read string columns that are only grouped by as dictionaries: they are hashed once per value, not once per row.

Users never see such a dictionary. It exists from the source to the aggregates that group by it, which return their
keys as strings (``Aggregate.schema``). In between, filters and expressions may read it, and it may pass the left side
of a broadcast join; a column that may reach any other operator is read as strings.

This pays only for few distinct values: decoding 2 M distinct values as a dictionary took eight times as long as
decoding strings. So the connector names the columns with small dictionaries in ``options["dictionaries"]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from sabotnb.expr import column_name
from sabotnb.graph import Aggregate, Edge, Filter, JobGraph, Join, Phase, Project, Source
from sabotnb.plan.graph_rewrite import Known, Rewrite, RewriteStep, with_spec

ENCODED = pa.dictionary(pa.int32(), pa.string())


def read_dictionaries(graph: JobGraph, _: Known) -> Rewrite | None:
    """Turn the string columns of a source that end as keys of aggregates into dictionaries."""
    for operator in graph.operators.values():
        source = operator.spec
        if not isinstance(source, Source):
            continue
        small = source.options.get("dictionaries", ())
        strings = [field.name for field in source.schema if field.name in small and pa.types.is_string(field.type)]
        read = [name for name in strings if _accepts_dictionaries(graph, operator.id, name)]
        if read:
            schema = pa.schema([field.with_type(ENCODED) if field.name in read else field for field in source.schema])
            text = f"{', '.join(read)} as dictionaries, hashed once per value"
            encoded = with_spec(graph, operator.id, replace(source, schema=schema))
            return Rewrite(
                encoded, (RewriteStep("read dictionaries", operator.id, text, len(source.schema), len(read)),)
            )
    return None


def _accepts_dictionaries(graph: JobGraph, name: str, column: str) -> bool:
    """True if every operator that reads ``column`` behind operator ``name`` can read a dictionary."""
    waiting, met = [(name, column)], {(name, column)}
    while waiting:
        operator, used = waiting.pop()
        for edge in graph.outputs(operator):
            passed_on = _passed_on(graph, edge, used)
            if passed_on is None:
                return False
            behind = {(edge.down, output) for output in passed_on} - met
            met |= behind
            waiting.extend(behind)
    return True


def _passed_on(graph: JobGraph, edge: Edge, column: str) -> Sequence[str] | None:
    """Return the outputs of the reader of ``edge`` that are ``column``; None if it cannot read a dictionary."""
    spec = graph.operators[edge.down].spec
    if edge.side is not None or (edge.hint and edge.hint.function):
        return None
    match spec:
        case Filter():
            return (column,)
        case Project(columns=projected):
            return [output for output, expr in projected if column_name(expr) == column]
        case Join(strategy="broadcast") if edge.port == 0:
            return (column,)
        case Aggregate(phase=Phase.FULL | Phase.PARTIAL, keys=keys) if column in keys:
            return ()
        case _:
            return None
