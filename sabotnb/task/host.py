"""What a task needs from the process that runs it, and what it is told about itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from sabotnb import connectors, operators
from sabotnb.config import Config
from sabotnb.graph import specs
from sabotnb.plan import ExecutionGraph, Placed, ShuffleEdge, Vertex
from sabotnb.protocol import AgentInfo, Attempt, Gate, Operator, Output, Queue, SinkOperator, Source, Split, TaskChanged
from sabotnb.task.result_buffers import Results


class TaskGate(Gate, Protocol):
    """A gate that says which channels it has."""

    def channels(self, port: int) -> Sequence[int]:
        """Indexes of the tasks that send to an input port."""
        ...

    def queues(self) -> tuple[Queue, ...]:
        """How full the channels are that hold something; from any thread."""
        ...


class TaskExchange(Protocol):
    """The part of ``exchange.Exchange`` that tasks use."""

    agent: str

    def gate(self, job: str, epoch: int, vertex: str, index: int, graph: ExecutionGraph) -> TaskGate:
        """The input gate of a task; makes the channels, so that senders can reach it."""
        ...

    def output(
        self,
        job: str,
        epoch: int,
        edge: ShuffleEdge,
        index: int,
        placed: Placed,
        wake: Callable[[], None],
    ) -> Output:
        """The output of task ``index`` of ``edge.up``; ``wake`` is called when it may be writable again."""
        ...

    def release(self, job: str, epoch: int) -> None:
        """Forget every channel of the job."""
        ...


@dataclass(frozen=True, slots=True)
class Makers:
    """How specs become things that run; a test puts its own here."""

    operator: Callable[[specs.Spec, Sequence[pa.Schema]], Operator] = operators.create
    source: Callable[[specs.Source], Source] = connectors.source
    sink: Callable[[specs.Sink, pa.Schema], SinkOperator] = connectors.sink


@dataclass(frozen=True, slots=True)
class Host:
    """The process. ``report`` is called from the tasks' threads, must not block and must not raise."""

    exchange: TaskExchange
    results: Results
    report: Callable[[TaskChanged], None]
    config: Config
    makers: Makers = field(default_factory=Makers)

    @property
    def agent(self) -> str:
        """The process's name towards others."""
        return self.exchange.agent


@dataclass(frozen=True, slots=True)
class Assignment:
    """One attempt at one task: its graph, and where the other tasks of the job are."""

    attempt: Attempt
    graph: ExecutionGraph
    placement: Mapping[str, tuple[str, ...]]
    agents: Mapping[str, AgentInfo]
    splits: tuple[Split, ...] = ()

    @property
    def vertex(self) -> Vertex:
        """What the task runs."""
        return self.graph.vertices[self.attempt.task.vertex]

    def edges_out(self) -> list[ShuffleEdge]:
        """Edges that leave the task's vertex."""
        return list(self.graph.edges_out_of(self.attempt.task.vertex))

    def ports(self) -> list[int]:
        """Input ports of the task's vertex."""
        return sorted({edge.port for edge in self.graph.edges_into(self.attempt.task.vertex)})
