"""Builds the data from which a job's pictures are drawn, from the levels that are kept with it. JSON-able."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sabotnb import text_limits
from sabotnb.blobs import Function
from sabotnb.display.number_format import seconds
from sabotnb.display.operator_labels import brief, condition, label, role
from sabotnb.graph import Aggregate, Edge, EdgeType, JobGraph, Operator, Source, Spec, Window
from sabotnb.plan import ExecutionGraph, JobLevels, Optimized, RewriteStep
from sabotnb.text_limits import cut


def scenes(levels: JobLevels) -> dict[str, Any]:
    """Return the job as written and as it runs, without coordinates, for ``job_picture``. Reads no file.

    ``operators`` are those written, in topological order, then those that the optimizer added; ``logical`` are the
    links among the former, ``edges`` those among ``vertices``, the chains that run. A link is
    ``[up, down, type, label, edges]``: ``edges`` are the indexes of the execution graph's edges that it stands for.
    ``guarantee`` is a line, and its details.
    """
    logical, execution = levels.logical, levels.execution
    optimized = levels.optimized or Optimized(logical, ())
    columns = _Columns()
    running = {entry.operator.id: entry for entry in _running(execution)}
    written = logical.topological_sort()
    added = [name for name in running if name not in logical.operators]
    steps = _steps_by_operator(optimized.steps)
    removed = levels.removed()
    operators = []
    for name in [*written, *added]:
        source = logical if name in logical.operators else optimized.graph
        schema = running[name].schema if name in running else logical.schemas()[name]
        operators.append(
            {
                **_described(source.operators[name], source),
                "runs": _text(running[name].operator.spec, optimized.graph, name) if name in running else "",
                "written": name in logical.operators,
                "vertex": running[name].vertex if name in running else "",
                "tasks": running[name].tasks if name in running else 0,
                "gone": removed.get(name, ""),
                "notes": steps.get(name, []),
                **_filtered(running.get(name), levels.rows.get(name)),
                "columns": columns.number(schema),
            }
        )
    return {
        "operators": operators,
        "columns": columns.known,
        "logical": list(_written_links(logical, optimized.graph, execution)),
        "vertices": [
            [vertex.id, vertex.parallelism, [operator.id for operator in vertex.operators]]
            for vertex in execution.vertices.values()
        ],
        "edges": [[edge.up, edge.down, edge.type.value, label(edge), [edge.index]] for edge in execution.edges],
        "guarantee": _guarantee(levels),
    }


def _guarantee(levels: JobLevels) -> tuple[str, str]:
    """Return what the run promises about its output in a line, and in sentences; empty if it has no output."""
    guarantees = levels.guarantees()
    if not guarantees:
        return "", ""
    takes = f"checkpoints every {_interval(levels.interval)}" if levels.interval is not None else "no checkpoints"
    brief = " · ".join([*(guarantee.promise for guarantee in guarantees), takes])
    return cut(brief, text_limits.SENTENCE), "\n".join(
        cut(str(line), text_limits.SENTENCE) for line in (*guarantees, takes)
    )


def _interval(length: float) -> str:
    """Return it as users write it: ``0.5 s``, ``60 s``, ``5 min``."""
    return f"{length:g} s" if length < 100 else seconds(length)


@dataclass(frozen=True, slots=True)
class _Running:
    """An operator in the execution graph, and the vertex that runs it."""

    operator: Operator
    vertex: str
    tasks: int
    schema: pa.Schema


def _running(execution: ExecutionGraph) -> Iterator[_Running]:
    for vertex in execution.vertices.values():
        for operator, schema in zip(vertex.operators, vertex.schemas, strict=True):
            yield _Running(operator, vertex.id, vertex.parallelism, schema)


class _Columns:
    """Distinct lists of columns: most operators have the output columns of their input."""

    def __init__(self) -> None:
        self.known: list[list[tuple[str, str]]] = []
        self._schemas: list[pa.Schema] = []

    def number(self, schema: pa.Schema) -> int:
        """Return the index of ``schema`` in ``known``; adds it if it is new."""
        for number, other in enumerate(self._schemas):
            if other is schema or other.equals(schema):
                return number
        self._schemas.append(schema)
        self.known.append(
            [(cut(field.name, text_limits.NAME), cut(str(field.type), text_limits.NAME)) for field in schema]
        )
        return len(self.known) - 1


def _described(operator: Operator, graph: JobGraph) -> dict[str, Any]:
    """Return what an operator is and where it was written."""
    function = _function(operator.spec)
    origin = function.origin if function else operator.origin
    return {
        "id": operator.id,
        "named": operator.name is not None,
        "kind": operator.spec.kind,
        "role": role(operator.spec),
        "text": _text(operator.spec, graph, operator.id),
        "origin": origin.where if origin else "",
        "code": origin.code.strip("\n")[: text_limits.CODE] if origin else "",
    }


def _filtered(running: _Running | None, rows: int | None) -> dict[str, Any]:
    """Return the condition that a source checks while it reads, and how many rows it checks, if that is known."""
    spec = running.operator.spec if running else None
    if not isinstance(spec, Source) or spec.predicate is None:
        return {"filtered": "", "rows": None}
    return {"filtered": condition(spec.predicate), "rows": rows}


def _text(spec: Spec, graph: JobGraph, name: str) -> str:
    read = [column for schema in graph.input_schemas(name) for column in schema.names]
    return cut(brief(spec, read), text_limits.SENTENCE)


def _function(spec: Spec) -> Function | None:
    """Return the user's function that the operator calls; if there are several, the first."""
    if isinstance(spec, Window):
        return _function(spec.verb)
    if isinstance(spec, Aggregate):
        return next((column.function for column in spec.columns if column.function), None)
    return getattr(spec, "function", None)


def _steps_by_operator(steps: Sequence[RewriteStep]) -> dict[str, list[str]]:
    """Return what the optimizer did to each operator, in words."""
    notes: dict[str, list[str]] = {}
    for step in steps:
        for name in dict.fromkeys((step.operator, *step.gone)):
            notes.setdefault(name, []).append(cut(f"{step.rule}: {step.text}", text_limits.SENTENCE))
    return notes


def _written_links(logical: JobGraph, runs: JobGraph, execution: ExecutionGraph) -> Iterator[list[Any]]:
    """Yield the links as written, each with the execution edge on which its rows reach the lower end, if any."""
    into = {(edge.down, edge.port): edge for edge in execution.edges}
    for edge in logical.edges:
        name, port = edge.down, _port_now(edge, logical, runs)
        while port is not None and (name, port) not in into and name in runs.operators:
            above = runs.inputs(name)[port].up
            if above in logical.operators:
                break
            name, port = above, 0  # the optimizer added it in between
        crossed = into.get((name, port)) if port is not None else None
        if crossed is None:
            yield [edge.up, edge.down, EdgeType.FORWARD.value, cut(edge.side or "", text_limits.NAME), []]
        else:
            yield [edge.up, edge.down, crossed.type.value, label(crossed), [crossed.index]]


def _port_now(edge: Edge, logical: JobGraph, runs: JobGraph) -> int | None:
    """Return the port at which rows of ``edge`` arrive; None if merged unions make it ambiguous."""
    if edge.down not in runs.operators or len(runs.inputs(edge.down)) == len(logical.inputs(edge.down)):
        return edge.port
    now = (other.port for other in runs.inputs(edge.down) if (other.up, other.side) == (edge.up, edge.side))
    return next(now, None)
