"""Compile a job graph for deployment: check, estimate, optimize, expand to tasks, find the splits."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath

import pyarrow as pa

from sabotnb import connectors, plan
from sabotnb.config import Config
from sabotnb.errors import GraphError, SinkError
from sabotnb.graph import JobGraph, Operator, Sink, Source
from sabotnb.plan import Estimate, ExecutionGraph, JobLevels, Optimized
from sabotnb.protocol import RunId, Split
from sabotnb.task import Makers, run_local

LOCAL_PARALLELISM = 2
"""Tasks per operator where there is no cluster: the same on every machine, so that cards and plans are, too."""


@dataclass(frozen=True, slots=True)
class CompiledJob:
    """A job at every level (as described, optimized and deployed), with the splits and sizes of its sources."""

    graph: JobGraph
    optimized: Optimized
    execution: ExecutionGraph
    splits: Mapping[str, tuple[Split, ...]]
    estimates: Mapping[str, Estimate]

    @property
    def levels(self) -> JobLevels:
        """What words and pictures are made from."""
        rows = {name: size.rows for name, size in self.estimates.items() if size.rows is not None}
        return JobLevels(self.graph, self.optimized, self.execution, rows)

    def run_here(
        self, makers: Makers | None = None, until: float | None = None
    ) -> Generator[pa.RecordBatch, None, None]:
        """Run in this process, with the same tasks as on a cluster; yield the batches of the ``collect`` sink.

        ``makers`` and ``until`` are those of ``run_local``.
        """
        yield from run_local(self.execution, self.splits, makers=makers, until=until)

    def vertex_of(self, operator: str) -> str:
        """The vertex whose tasks run ``operator``."""
        return next(
            vertex.id for vertex in self.execution.vertices.values() if operator in [it.id for it in vertex.operators]
        )


def compile_graph(graph: JobGraph, parallelism: int, *, optimize: bool = True) -> CompiledJob:
    """Compile a job graph for ``parallelism`` tasks per operator; reads metadata of sources.

    Without ``optimize`` it runs as it was described, only chained.

    Raises GraphError, SchemaError or SourceError for what cannot run.
    """
    if not isinstance(parallelism, int) or parallelism < 1:
        raise GraphError(f"parallelism is {parallelism!r}; give a number of tasks per operator, at least 1")
    graph.validate()
    sizes = estimates(graph) if optimize else {}
    optimized = plan.optimize(graph, sizes) if optimize else Optimized(graph, ())
    execution = plan.physical(optimized.graph, parallelism, groups=Config.from_environment().key_groups)
    return CompiledJob(graph, optimized, execution, read_splits(execution), sizes)


def check_outputs(graph: JobGraph, job: str, runs_here: Callable[[RunId], bool]) -> None:
    """Raise SinkError if a sink cannot write to its path, or writes into the folder of another.

    ``runs_here`` is true for runs of ``job`` on the cluster that is to run it.
    """
    taken: list[tuple[PurePath, Operator]] = []
    for operator in graph.get_sinks():
        assert isinstance(operator.spec, Sink)
        if "path" in operator.spec.options:
            path = PurePath(operator.spec.options["path"])
            for folder, other in taken:
                shared = path.is_relative_to(folder) or folder.is_relative_to(path)
                if shared and not (_appends(other) and _appends(operator)):
                    raise SinkError(
                        f"{other.id!r} writes to '{folder}' and {operator.id!r} to '{path}'; give each a folder of its "
                        "own, none inside another"
                    )
            taken.append((path, operator))
        connectors.check_output(operator.spec, job, runs_here)


def _appends(sink: Operator) -> bool:
    return isinstance(sink.spec, Sink) and sink.spec.options.get("mode") == "append"


def estimates(graph: JobGraph) -> dict[str, Estimate]:
    """What is known about the size of every source, by operator id."""
    return {name: connectors.estimate(spec) for name, spec in sources(graph).items()}


def sources(graph: JobGraph) -> dict[str, Source]:
    """The sources of a graph by operator id."""
    return {name: operator.spec for name, operator in graph.operators.items() if isinstance(operator.spec, Source)}


def with_sources(graph: JobGraph, other: Mapping[str, Source]) -> JobGraph:
    """The same graph, reading ``other`` sources where their operator ids are named."""
    operators = {
        name: replace(operator, spec=other[name]) if name in other else operator
        for name, operator in graph.operators.items()
    }
    return replace(graph, operators=operators)


def read_splits(execution: ExecutionGraph) -> dict[str, tuple[Split, ...]]:
    """The splits of the sources of ``execution``, by vertex; reads metadata of sources."""
    splits = {}
    for vertex in execution.vertices.values():
        spec = vertex.operators[0].spec
        if isinstance(spec, Source):
            source = connectors.source(spec)
            splits[vertex.id] = tuple(source.splits())
            if spec.timing is not None and source.unbounded is not None:
                computed = spec.event_time is None
                warnings.warn(_unbounded(source.unbounded, spec.timing.column, computed=computed), stacklevel=2)
    return splits


def _unbounded(file: str, column: str, *, computed: bool) -> str:
    advice = "Write the times into Parquet files instead" if computed else "Write Parquet files with statistics instead"
    return (
        f"'{file}' does not say its earliest {column!r}: the job holds the rows of windows until it has opened "
        f"the last of its files. {advice}"
    )
