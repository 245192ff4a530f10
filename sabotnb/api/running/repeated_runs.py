"""Run a bounded stream as a whole and in random parts, and compare: the results must not depend on the division.

Theory of operation. The reference is one task per operator, without the optimizer. Each further run draws, from its own
number, how many tasks there are, whether the optimizer is used, in which order splits are read, how a table is divided
into splits, and how many rows each poll of a source returns. If the rows differ, the same draw is repeated for each
operator, from the sources on, to find the first whose rows differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random
from typing import Any

from sabotnb import connectors
from sabotnb.api.running.bounds import with_bounds
from sabotnb.api.running.compiling import CompiledJob, compile_graph
from sabotnb.api.running.row_differences import Row, listed_rows, row_differences
from sabotnb.api.running.sampled_run import collected
from sabotnb.api.stream_node import StreamNode, StreamPlan, is_bounded, is_replayable, nodes_of
from sabotnb.errors import GraphError, InconsistentResults
from sabotnb.expr import python_rows, whole
from sabotnb.graph import JobGraph, Source
from sabotnb.protocol import Finished, Polled, Reader, Split
from sabotnb.task import Makers

MOST_TASKS = 4
FEW_ROWS = 8
"""Half of the draws have batches of at most so many rows."""


def check_runs(flow: StreamPlan, runs: int) -> None:
    """Compare ``runs`` random runs with the run as a whole.

    Raises:
        InconsistentResults: rows differ; names the first operator whose rows do.
        GraphError: the stream is endless, or a source can be read only once.
    """
    count = whole(runs, GraphError(f"check(runs={runs!r}): give the number of runs, 0 or more"), 0)
    if count and not is_bounded(flow):
        raise GraphError("check(runs=...) compares whole results, and this stream is endless; leave runs out: .check()")
    if count and not is_replayable(flow):
        raise GraphError("check(runs=...) reads every source again, and one can be read only once; write .check()")
    if not count:
        return
    expected = _whole(flow)
    for number in range(1, count + 1):
        missing, unexpected = row_differences(expected, _drawn(flow, number))
        if missing or unexpected:
            lines = [*listed_rows("missing", missing), *listed_rows("unexpected", unexpected)]
            raise InconsistentResults("\n".join([_headline(flow, number), *lines, _ADVICE]))


_ADVICE = (
    "A result must not depend on batches, on the order of rows or on the number of tasks. Bring rows that belong "
    "together by .group_by(...) or .sort(...)"
)


def _headline(flow: StreamPlan, number: int) -> str:
    draw = Draw(number)
    how = f"{draw.tasks} task{'s' * (draw.tasks > 1)}, batches of up to {draw.most_rows:,} rows"
    return f"run {number} ({how}) returns other rows than the run as a whole{_first_difference(flow, number)}"


def _first_difference(flow: StreamPlan, number: int) -> str:
    for node in nodes_of((flow,)):
        output = _output_of(node, flow)
        if output is not None and any(row_differences(_whole(output), _drawn(output, number))):
            where = f" ({node.origin})" if node.origin is not None else ""
            return f"; the first operator whose rows differ is {node.naming.name or node.spec.kind}{where}"
    return ""


def _output_of(node: StreamNode, flow: StreamPlan) -> StreamPlan | None:
    """The main output of ``node``; None if only side outputs are read."""
    plans = [flow, *(plan for other in nodes_of((flow,)) for plan in other.inputs)]
    end = next((plan for plan in plans if plan.node is node and plan.side is None), None)
    return None if end is None else replace(end, hint=None)


def _whole(flow: StreamPlan) -> list[Row]:
    graph = _without_parallelism(with_bounds(collected(flow), 1))
    return _rows(compile_graph(graph, 1, optimize=False), None)


def _drawn(flow: StreamPlan, number: int) -> list[Row]:
    draw = Draw(number)
    graph = _without_parallelism(with_bounds(collected(flow), draw.tasks))
    compiled = compile_graph(graph, draw.tasks, optimize=draw.optimize)
    return _rows(draw.divided(compiled), Makers(source=draw.source))


def _rows(compiled: CompiledJob, makers: Makers | None) -> list[Row]:
    return [row for batch in compiled.run_here(makers) for row in python_rows(batch)]


def _without_parallelism(graph: JobGraph) -> JobGraph:
    operators = {name: replace(operator, parallelism=None) for name, operator in graph.operators.items()}
    return replace(graph, operators=operators)


class Draw:
    """What the run of this number draws; equal numbers draw the same."""

    def __init__(self, number: int) -> None:
        self._random = Random(number)  # noqa: S311  not for secrets
        self.tasks = self._random.randint(1, MOST_TASKS)
        self.optimize = self._random.random() < 0.5
        self.most_rows = self._random.choice((FEW_ROWS, 65_536))

    def divided(self, compiled: CompiledJob) -> CompiledJob:
        """The job with its splits in another order, and tables without event time in other slices."""
        splits = {}
        for vertex, of_source in compiled.splits.items():
            spec = compiled.execution.vertices[vertex].operators[0].spec
            assert isinstance(spec, Source)
            slices = list(of_source)
            if spec.timing is None and spec.table is not None:
                slices = [part for split in slices for part in self._slices(split)]
            self._random.shuffle(slices)
            splits[vertex] = tuple(slices)
        return replace(compiled, splits=splits)

    def source(self, spec: Source) -> Any:
        """The source of ``spec``, whose readers return fewer rows than they are asked for."""
        return RandomPolls(connectors.source(spec), self._random, self.most_rows)

    def _slices(self, split: Split) -> list[Split]:
        if not isinstance(split.position, Mapping) or not {"start", "stop"} <= set(split.position):
            return [split]
        start, stop = split.position["start"], split.position["stop"]
        cuts = {self._random.randint(start, stop) for _ in range(self._random.randint(0, MOST_TASKS))}
        edges = sorted({start, stop, *cuts})
        return [
            replace(split, id=f"rows-{low}", position={"start": low, "stop": high}, rows=high - low)
            for low, high in pairwise(edges)
        ]


@dataclass(frozen=True, slots=True)
class RandomPolls:
    """A source whose readers return a random number of rows; everything else is that of ``source``."""

    inner: Any
    random: Random
    most_rows: int

    def open(self, split: Split) -> Reader:
        """Open a split."""
        return RandomReader(self.inner.open(split), Random(self.random.random()), self.most_rows)  # noqa: S311

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@dataclass(frozen=True, slots=True)
class RandomReader:
    """A reader that is asked for a random number of rows each time."""

    inner: Any
    random: Random
    most_rows: int

    def poll(self, max_rows: int) -> Polled | Finished | None:
        """Poll for at most that many rows."""
        polled: Polled | Finished | None = self.inner.poll(self.random.randint(1, min(max_rows, self.most_rows)))
        return polled

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)
