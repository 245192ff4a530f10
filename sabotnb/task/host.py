"""The interface between a task and the process that runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from sabotnb import connectors, operators
from sabotnb.config import Config
from sabotnb.graph import specs
from sabotnb.plan import ExecutionGraph, ShuffleEdge, Vertex
from sabotnb.protocol import (
    Attempt,
    ChannelEnd,
    Gate,
    LineageCut,
    Operator,
    Output,
    Placement,
    Queue,
    RunId,
    SinkOperator,
    Source,
    Split,
    SplitsLeft,
    TaskReport,
    TaskRestore,
)
from sabotnb.task.cut_writer import CutWriter
from sabotnb.task.result_buffers import Results


class TaskGate(Gate, Protocol):
    """A gate that reports its channels."""

    def channels(self, port: int) -> Sequence[ChannelEnd]:
        """Return the tasks that send to an input port and have neither ended nor left."""
        ...

    def queues(self) -> tuple[Queue, ...]:
        """Return how full the channels are that hold elements; from any thread."""
        ...


class TaskExchange(Protocol):
    """The part of ``exchange.Exchange`` that tasks use."""

    agent: str

    def gate(self, attempt: Attempt, graph: ExecutionGraph, placement: Placement) -> TaskGate:
        """Create the input gate of a task and its channels, so that senders can reach it."""
        ...

    def output(
        self,
        attempt: Attempt,
        edge: ShuffleEdge,
        graph: ExecutionGraph,
        placement: Placement,
        wake: Callable[[], None],
    ) -> Output:
        """Create the output of a task of ``edge.up`` on ``edge``; ``wake`` is called when it may be writable again."""
        ...

    def release(self, run: RunId, epoch: int) -> None:
        """Close every channel of the run in this epoch."""
        ...


@dataclass(frozen=True, slots=True)
class Makers:
    """How specs become things that run; a test puts its own here."""

    operator: Callable[[specs.Spec, Sequence[pa.Schema]], Operator] = operators.create
    source: Callable[[specs.Source], Source] = connectors.source
    sink: Callable[[specs.Sink, pa.Schema], SinkOperator] = connectors.sink


@dataclass(frozen=True, slots=True)
class Host:
    """The process that runs tasks. Task threads call ``report``, which must neither block nor raise."""

    exchange: TaskExchange
    results: Results
    report: Callable[[TaskReport], None]
    config: Config
    makers: Makers = field(default_factory=Makers)
    cut_writer: CutWriter = field(default_factory=CutWriter)

    @property
    def agent(self) -> str:
        """The name of the process, known to the other agents."""
        return self.exchange.agent


@dataclass(frozen=True, slots=True)
class Assignment:
    """One attempt at one task: its graph, the splits it begins with, and where the other tasks of the run are.

    ``restore`` is what it continues from; None at the beginning of a run. ``storage`` is where the states of cuts are
    written; None if the run takes none. ``lineage`` is that of the ``Deployment``.
    """

    attempt: Attempt
    graph: ExecutionGraph
    placement: Placement
    splits: tuple[Split, ...] = ()
    left: SplitsLeft = field(default_factory=SplitsLeft)
    restore: TaskRestore | None = None
    storage: str | None = None
    lineage: tuple[LineageCut, ...] = ()

    @property
    def has_ended(self) -> bool:
        """True if the task had ended before the cut that it is restored from."""
        return self.restore is not None and self.restore.ended

    @property
    def vertex(self) -> Vertex:
        """The vertex that the task runs."""
        return self.graph.vertices[self.attempt.task.vertex]

    def edges_out(self) -> list[ShuffleEdge]:
        """Return the edges that leave the task's vertex."""
        return list(self.graph.edges_out_of(self.attempt.task.vertex))

    def ports(self) -> list[int]:
        """Return the input ports of the task's vertex."""
        return sorted({edge.port for edge in self.graph.edges_into(self.attempt.task.vertex)})

    def timed_ports(self) -> set[int]:
        """Return the input ports whose streams have event time."""
        return {edge.port for edge in self.graph.edges_into(self.attempt.task.vertex) if edge.timed}
