"""Read string columns that are only grouped by as dictionaries: they are hashed once per value, not once per row.

Users never see such a dictionary. It exists from the source to the aggregates that group by it, which return their
keys as strings (``Aggregate.schema``). In between, filters and expressions may read it, and it may pass the left side
of a broadcast join; a column that may reach any other operator is read as strings.

This pays only for few distinct values: decoding 2 M distinct values as a dictionary took eight times as long as
decoding strings. So the connector names the columns with small dictionaries in ``options["dictionaries"]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from sabotnb.expr import column_name
from sabotnb.graph import Aggregate, AssignTimes, Edge, Filter, JobGraph, Join, Phase, Project, Source, Spec
from sabotnb.plan.graph_rewrite import Known, Rewrite, RewriteStep

ENCODED = pa.dictionary(pa.int32(), pa.string())


def read_dictionaries(graph: JobGraph, _: Known) -> Rewrite | None:
    """Turn the string columns of sources that end as keys of aggregates into dictionaries."""
    candidates = {name: read for name in graph.operators if (read := _candidates(graph.operators[name].spec))}
    if not candidates:
        return None
    accepted = _accepted(graph, candidates)
    operators, steps = dict(graph.operators), list[RewriteStep]()
    for name, columns in candidates.items():
        source = operators[name].spec
        assert isinstance(source, Source)
        read = [column for column in columns if column in accepted[name]]
        if read:
            schema = pa.schema([field.with_type(ENCODED) if field.name in read else field for field in source.schema])
            operators[name] = replace(operators[name], spec=replace(source, schema=schema))
            text = f"{', '.join(read)} as dictionaries, hashed once per value"
            steps.append(RewriteStep("read dictionaries", name, text, len(source.schema), len(read)))
    return Rewrite(graph.derived(operators, graph.edges), tuple(steps)) if steps else None


def _candidates(spec: Spec) -> list[str]:
    """Return the string columns of a source whose dictionaries are small."""
    if not isinstance(spec, Source):
        return []
    small = spec.options.get("dictionaries", ())
    return [field.name for field in spec.schema if field.name in small and pa.types.is_string(field.type)]


def _accepted(graph: JobGraph, candidates: Mapping[str, Sequence[str]]) -> Mapping[str, set[str]]:
    """Return, by operator, the columns from ``candidates`` that every operator behind can read as dictionaries.

    One walk down finds which columns of which operators they become, one walk up where all readers accept them.
    """
    order = graph.topological_sort()
    carried = {name: set(candidates.get(name, ())) for name in order}
    passed: dict[Edge, Mapping[str, Sequence[str] | None]] = {}
    for name in order:
        for edge in graph.outputs(name):
            passed[edge] = {column: _passed_on(graph, edge, column) for column in carried[name]}
            carried[edge.down].update(*filter(None, passed[edge].values()))
    for name in reversed(order):
        for edge in graph.outputs(name):
            readable = carried[edge.down]  # already without the columns that a reader further down refused
            for column, outputs in passed[edge].items():
                if outputs is None or not readable.issuperset(outputs):
                    carried[name].discard(column)
    return carried


def _passed_on(graph: JobGraph, edge: Edge, column: str) -> Sequence[str] | None:
    """Return the outputs of the reader of ``edge`` that are ``column``; None if it cannot read a dictionary."""
    spec = graph.operators[edge.down].spec
    if edge.side is not None or (edge.hint and edge.hint.function):
        return None
    match spec:
        case Filter() | AssignTimes():
            return (column,)
        case Project(columns=projected):
            return [output for output, expr in projected if column_name(expr) == column]
        case Join(strategy="broadcast") if edge.port == 0:
            return (column,)
        case Aggregate(phase=Phase.FULL | Phase.PARTIAL, keys=keys) if column in keys:
            return ()
        case _:
            return None
