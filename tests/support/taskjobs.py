"""Run small execution graphs of operators and sources that a test defines, with the real tasks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from sabotnb.config import Config
from sabotnb.exchange import Exchange, OutputPartition
from sabotnb.graph import specs
from sabotnb.graph.job_graph import EdgeType
from sabotnb.graph.job_graph import Operator as Node
from sabotnb.plan.execution_graph import ExecutionGraph, ShuffleEdge, Vertex
from sabotnb.protocol import (
    CancelTasks,
    Command,
    CutAcked,
    CutFailed,
    Placement,
    StartSources,
    TaskChanged,
    TaskReport,
    TaskRestore,
    TaskSnapshot,
    TaskState,
)
from sabotnb.protocol.elements import EndReason
from sabotnb.protocol.ids import Attempt, RunId, TaskId
from sabotnb.protocol.operator import Committable, Operator, OperatorContext, Out, Prepared, SinkOperator
from sabotnb.task.canceling import GRACE_SECONDS, await_canceled
from sabotnb.task.host import Assignment, Host, Makers
from sabotnb.task.local import run_local
from sabotnb.task.result_buffers import Results
from sabotnb.task.task import TaskExecution
from sabotnb.testing import ScriptedSource

X = pa.schema({"x": pa.int64()})
RUN = RunId("job", 1)
TINY = Config(gate_bytes=1, collect_bytes=1, coalesce_rows=1, coalesce_seconds=0.001)
"""Settings under which every channel has credit for one batch."""

COLLECT = specs.Sink("collect")


@dataclass(frozen=True)
class Custom:
    """The spec of an operator that a test defines."""

    make: Callable[[], Operator]
    function: Any = None
    kind: ClassVar[str] = "custom"


MAKERS = Makers(
    operator=lambda spec, inputs: spec.make(),
    source=lambda spec: spec.options["source"],
    sink=lambda spec, schema: spec.options["make"](),
)


def rows(*values: int) -> list[dict[str, int]]:
    return [{"x": value} for value in values]


def numbers(*scripts: Iterable[Any]) -> ScriptedSource:
    """Return a source with one split per script; a range or list of numbers is a batch of them."""
    return ScriptedSource(X, *([_step(step) for step in script] for script in scripts))


def _step(step: Any) -> Any:
    return rows(*step) if isinstance(step, range | list) else step


def reads(source: Any) -> specs.Source:
    return specs.Source("scripted", X, {"source": source}, event_time=specs.EventTime("x"))


def writes(make: Callable[[], SinkOperator]) -> specs.Sink:
    return specs.Sink("written", {"make": make})


def vertex(name: str, *chain: Any, parallelism: int = 1, ports: int = 1) -> Vertex:
    """Return a chain; its first operator has the id ``name``, the others ``name.1``, ``name.2``."""
    nodes = tuple(Node(f"{name}.{i}" if i else name, spec) for i, spec in enumerate(chain))
    source = isinstance(chain[0], specs.Source)
    return Vertex(name, nodes, () if source else (X,) * ports, (X,) * len(nodes), parallelism)


def graph(vertices: list[Vertex], *edges: tuple[Any, ...]) -> ExecutionGraph:
    """Return a graph. Edges are (up, down), optionally followed by type, port and side output."""
    by_id = {vertex.id: vertex for vertex in vertices}
    built = tuple(_edge(index, by_id, *edge) for index, edge in enumerate(edges))
    tables = {v.id: tuple(i * v.parallelism // 128 for i in range(128)) for v in vertices}
    return ExecutionGraph(by_id, built, tables, 128)


def _edge(
    index: int, by_id: dict[str, Vertex], up: str, down: str, kind: str = "forward", port: int = 0, side: Any = None
) -> ShuffleEdge:
    keys = ("x",) if kind == "hash" else ()
    operator = by_id[up].operators[-1].id
    domain = down if kind == "hash" else None
    return ShuffleEdge(index, up, down, port, EdgeType(kind), X, operator, keys, domain, side)


def start(execution: ExecutionGraph, config: Config = TINY) -> Iterator[pa.RecordBatch]:
    splits = {
        vertex.id: vertex.operators[0].spec.options["source"].splits()
        for vertex in execution.vertices.values()
        if isinstance(vertex.operators[0].spec, specs.Source)
    }
    return run_local(execution, splits, config, MAKERS)


def run(execution: ExecutionGraph, config: Config = TINY) -> list[int]:
    """Run the graph; returns the collected numbers, sorted."""
    with closing(start(execution, config)) as batches:
        return sorted(value for batch in batches for value in batch.column("x").to_pylist())


class Reports:
    """Collects the reports of tasks, in order."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.all: list[TaskChanged] = []
        self.cuts: list[CutAcked | CutFailed] = []
        self.order: list[TaskReport] = []

    def __call__(self, report: TaskReport) -> None:
        with self._changed:
            self.order.append(report)
            if isinstance(report, TaskChanged):
                self.all.append(report)
            elif isinstance(report, CutAcked | CutFailed):
                self.cuts.append(report)
            self._changed.notify_all()

    def wait(self, state: TaskState, count: int = 1) -> list[TaskChanged]:
        """Wait for ``count`` reports of ``state``; returns them."""
        self.wait_until(lambda: len(self.of(state)) >= count)
        return self.of(state)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, timeout=60), self.all

    def of(self, state: TaskState) -> list[TaskChanged]:
        return [changed for changed in self.all if changed.state is state]

    def states(self, vertex: str) -> list[str]:
        return [changed.state.value for changed in self.all if changed.attempt.task.vertex == vertex]

    def ends(self) -> list[str]:
        """Return the last state of each task, by order of report."""
        return [changed.state.value for changed in self.all if changed.state is not TaskState.RUNNING]


class Deployed:
    """All tasks of a graph on one agent, as a TaskRunner runs them; a context manager that cancels remaining tasks.

    ``restored`` has the snapshots that tasks continue from, by vertex; each has one task then.
    """

    def __init__(
        self,
        execution: ExecutionGraph,
        config: Config = TINY,
        storage: str | None = None,
        restored: Mapping[str, TaskSnapshot] | None = None,
    ) -> None:
        self.reports = Reports()
        self.results = Results(config)
        self._execution = execution
        self._exchange = Exchange("agent-1", config)
        host = Host(self._exchange, self.results, self.reports, config, MAKERS)
        tasks = {v.id: ("agent-1",) * v.parallelism for v in execution.vertices.values()}
        numbers = iter(range(sum(v.parallelism for v in execution.vertices.values())))
        attempts = {v.id: tuple(next(numbers) for _ in range(v.parallelism)) for v in execution.vertices.values()}
        self._placement = Placement(tasks, attempts, {})
        self.tasks: dict[str, TaskExecution] = {}
        for v in execution.vertices.values():
            spec = v.operators[0].spec
            splits = spec.options["source"].splits() if isinstance(spec, specs.Source) else []
            snapshot = None if restored is None else restored[v.id]
            if snapshot is not None:
                splits = [] if snapshot.source is None else list(snapshot.source.opened)
            for i in range(v.parallelism):
                assignment = Assignment(
                    self._attempt(v.id, i),
                    execution,
                    self._placement,
                    tuple(splits[i :: v.parallelism]),
                    restore=None if snapshot is None else restore_of(snapshot),
                    storage=storage,
                )
                self.tasks[f"{v.id}[{i}]"] = TaskExecution(assignment, host)

    def start(self, *, sources: bool = True) -> Deployed:
        for task in self.tasks.values():
            task.start()
        if sources:
            self.command(StartSources(RUN, 1))
        return self

    def output(self, up: str, index: int) -> OutputPartition:
        """Return the output of a task that is not started, so that a test can send on it."""
        edge = next(edge for edge in self._execution.edges if edge.up == up)
        return self._exchange.output(self._attempt(up, index), edge, self._execution, self._placement, lambda: None)

    def _attempt(self, vertex: str, index: int) -> Attempt:
        return Attempt(TaskId(RUN, vertex, index), self._placement.attempts[vertex][index], 1)

    def command(self, command: Command) -> None:
        for task in self.tasks.values():
            task.post(command)

    def cancel(self, grace: float = GRACE_SECONDS) -> list[TaskExecution]:
        """Cancel all tasks; returns those that hang."""
        self.command(CancelTasks(RUN, 1))
        return await_canceled(self.tasks.values(), grace)

    def release(self) -> None:
        """Close every channel, as the agent does when it drops the run."""
        self._exchange.release(RUN, 1)

    def __enter__(self) -> Deployed:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()
        self.release()
        self._exchange.stop()


def restore_of(snapshot: TaskSnapshot) -> TaskRestore:
    """What a task begins with that continues one other."""
    files = () if snapshot.file is None else (snapshot.file,)
    memos = {name: (memo,) for name, memo in snapshot.memos.items()}
    return TaskRestore(files, memos, snapshot.event_times, snapshot.ended)


class Doubled(Operator):
    def process(self, port: int, batch: pa.RecordBatch) -> Iterator[Out]:
        yield pa.record_batch([pa.array([2 * x for x in batch.column("x").to_pylist()], pa.int64())], schema=X)


class Evens(Operator):
    """Forwards even numbers, and sends odd ones to the side output ``odd``."""

    def process(self, port: int, batch: pa.RecordBatch) -> Iterator[Out]:
        values = batch.column("x").to_pylist()
        yield pa.RecordBatch.from_pylist(rows(*(x for x in values if x % 2 == 0)), schema=X)
        yield "odd", pa.RecordBatch.from_pylist(rows(*(x for x in values if x % 2)), schema=X)


class Total(Operator):
    """Emits the sum of all numbers at the end of the last port."""

    def open(self, ctx: OperatorContext) -> None:
        self.total = 0
        self.ended: list[tuple[int, EndReason]] = []

    def process(self, port: int, batch: pa.RecordBatch) -> tuple[Out, ...]:
        self.total += sum(batch.column("x").to_pylist())
        return ()

    def on_end(self, port: int, reason: EndReason) -> Iterator[Out]:
        self.ended.append((port, reason))
        if not self.ended[1:] or port != self.ended[0][0]:
            yield pa.RecordBatch.from_pylist(rows(self.total), schema=X)
            self.total = 0


class Exploding(Operator):
    """Emits each batch without end."""

    def process(self, port: int, batch: pa.RecordBatch) -> Iterator[Out]:
        while True:
            yield batch


class Written(SinkOperator):
    """A sink that collects its numbers."""

    def __init__(self) -> None:
        self.values: list[int] = []

    def process(self, port: int, batch: pa.RecordBatch) -> tuple[Out, ...]:
        self.values += batch.column("x").to_pylist()
        return ()

    def roll(self, cut: int) -> Rolled:
        return Rolled(sorted(self.values))


class Rolled(Prepared):
    """What a ``Written`` sink has collected."""

    def __init__(self, values: list[int]) -> None:
        self.values = values

    def durable(self) -> list[Committable]:
        return [Committable("written", {"values": self.values})]
