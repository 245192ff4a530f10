"""A job at its levels, kept with it as plain data, from which its words and pictures are made when somebody looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from sabotnb import text_limits
from sabotnb.blobs import ipc_bytes
from sabotnb.graph import JobGraph, read_plain, write_plain
from sabotnb.plan import execution_graph_codec
from sabotnb.plan.execution_graph import ExecutionGraph
from sabotnb.plan.guarantees import Guarantee, guarantees
from sabotnb.plan.optimize import Optimized, RewriteStep
from sabotnb.plan.physical import physical
from sabotnb.text_limits import cut

NOWHERE = ("prune", "drop identity")
"""Rules that remove an operator without merging it into another."""


@dataclass(frozen=True, slots=True)
class JobLevels:
    """A job as written, as optimized with each step (None: it was not), and as it runs.

    ``rows`` are the numbers of rows of its sources, by operator id, as far as they are known. ``interval`` is how many
    seconds it has between two checkpoints; None if it takes none.
    """

    logical: JobGraph
    optimized: Optimized | None
    execution: ExecutionGraph
    rows: Mapping[str, int] = field(default_factory=dict)
    interval: float | None = None

    def guarantees(self) -> list[Guarantee]:
        """Return what the job promises about each kind of its output."""
        return guarantees(self.logical, checkpoints=self.interval is not None)

    def removed(self) -> dict[str, str]:
        """Return where each operator went that the optimizer removed: the operator that does its work, or why."""
        running = {operator.id for vertex in self.execution.vertices.values() for operator in vertex.operators}
        went = {name: step for step in (self.optimized.steps if self.optimized else ()) for name in step.gone}
        return {name: _successor(name, went) for name in self.logical.topological_sort() if name not in running}


def dump_levels(levels: JobLevels) -> dict[str, Any]:
    """Return the levels as JSON-able data without the bytes of functions and tables; ``dump`` writes the execution."""
    optimized = levels.optimized
    data: dict[str, Any] = {"logical": levels.logical.written(), "rows": dict(levels.rows)}
    if optimized is not None:
        same = optimized.graph is levels.logical
        data["optimized"] = None if same else optimized.graph.written()
        data["steps"] = write_plain(optimized.steps)
    return data


def load_levels(data: Mapping[str, Any], execution: Mapping[str, Any], interval: float | None = None) -> JobLevels:
    """Read what ``dump_levels`` and ``dump`` wrote, to describe it: functions have no bytes, and tables no rows.

    ``interval``: as in ``JobLevels``.
    """
    logical = JobGraph.from_dict(data["logical"], _no_bytes(data["logical"]))
    optimized = None
    if "steps" in data:
        other = data["optimized"]
        graph = logical if other is None else JobGraph.from_dict(other, _no_bytes(other))
        optimized = Optimized(graph, read_plain(tuple[RewriteStep, ...], data["steps"]))
    running = execution_graph_codec.load(execution, _no_bytes(execution["blobs"]))
    return JobLevels(logical, optimized, running, data["rows"], interval)


def with_parallelism(levels: JobLevels, running: ExecutionGraph, parallelism: int) -> JobLevels:
    """Return ``levels`` for ``parallelism`` tasks of each operator without one of its own.

    The operators are those of ``running``, the same graph with the bytes of its functions, and with sinks that know
    their run.
    """
    graph = levels.optimized.graph if levels.optimized is not None else levels.logical
    operators = {operator.id: operator for vertex in running.vertices.values() for operator in vertex.operators}
    known = replace(graph, operators={name: operators[name] for name in graph.operators})
    return replace(levels, execution=physical(known, parallelism, running.groups))


def _no_bytes(index: Mapping[str, Any]) -> dict[str, bytes]:
    """Return blobs for every function, value and table of ``index`` that hold nothing."""
    nothing = ipc_bytes(pa.schema([]), [])
    return {sha256: nothing for kind in ("functions", "values", "tables") for sha256 in index.get(kind, ())}


def _successor(name: str, went: Mapping[str, RewriteStep]) -> str:
    if name not in went:
        return "does not run"
    step = went[name]
    if step.rule in NOWHERE:
        return cut(step.text, text_limits.SENTENCE)
    successor = step.operator
    visited = {name}
    while successor in went and successor not in visited:  # the successor may have been merged, too
        visited.add(successor)
        successor = went[successor].operator
    return cut(f"runs in {successor}", text_limits.SENTENCE)
