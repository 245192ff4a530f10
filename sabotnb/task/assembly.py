"""Creates the parts that a task runs from its assignment: outputs, chain and input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sabotnb.graph import Operator as Node
from sabotnb.graph import specs
from sabotnb.metrics import TaskCounters
from sabotnb.protocol import OperatorContext, Source, SourceWarned, SplitWanted
from sabotnb.task.alarms import Alarms
from sabotnb.task.chain import Chain
from sabotnb.task.ended_input import EndedInput
from sabotnb.task.gate_input import GateInput
from sabotnb.task.host import Assignment, Host, TaskGate
from sabotnb.task.mailbox import Mailbox
from sabotnb.task.probes import Probes
from sabotnb.task.result_buffers import ResultBuffer, ResultOutput
from sabotnb.task.source_input import SourceInput, rows_to_read
from sabotnb.task.source_progress import SourceProgress
from sabotnb.task.split_supply import SplitSupply
from sabotnb.task.stages import is_pulled, make_stages
from sabotnb.task.state_loading import OwnedState, load_states
from sabotnb.task.steps import Steps
from sabotnb.task.task_input import OnCut, TaskInput
from sabotnb.task.task_outputs import OutputRoute, TaskOutputs, never


@dataclass(frozen=True, slots=True)
class Assembly:
    """Creates the parts of one task, a new part with each call; used in the task's thread only."""

    assignment: Assignment
    host: Host
    gate: TaskGate
    steps: Steps
    probes: Probes
    counters: TaskCounters
    held: Callable[[], float] = lambda: 0.0
    """Returns the seconds that the task has waited for credit."""

    def outputs(self, wake: Callable[[], None]) -> TaskOutputs:
        """Create an output for each edge that leaves the vertex, and for a sink whose rows the client pulls."""
        last = self.assignment.vertex.operators[-1]
        if not is_pulled(last) or not isinstance(last.spec, specs.Sink):
            return TaskOutputs(self._edges(wake), self.counters)
        buffer = self._results(last.id, last.spec, wake)
        pulled = ResultOutput(buffer, self.host.config)
        routes = [*self._edges(wake), OutputRoute(last.id, None, None, pulled)]
        return TaskOutputs(routes, self.counters, self._unread(last.spec, buffer), pulled)

    def _unread(self, sink: specs.Sink, buffer: ResultBuffer) -> Callable[[], bool]:
        """Return what says that a client has to read rows before the task may end.

        The task of a callback ends when the client has processed its rows. A cut has no rows of tasks that have ended,
        so the task of a live table that takes cuts waits too, but not for a notebook that was closed.
        """
        if sink.connector == "callback":
            return buffer.unread
        if sink.connector == "live" and self.assignment.storage is not None:
            return partial(buffer.is_awaited, self.host.config.reader_lost_seconds)
        return never

    def chain(self, outputs: TaskOutputs) -> Chain:
        """Create the operators, which have ``outputs``, without opening them; none for a task that has ended.

        StepFailed if one cannot be created.
        """
        if self.assignment.has_ended:
            return Chain((), self.steps, self.probes)
        stages = make_stages(self.assignment.vertex, self.host.makers, self.steps, outputs.pulled)
        return Chain(stages, self.steps, self.probes)

    def input(self, chain: Chain, on_cut: OnCut) -> TaskInput:
        """Create the input that feeds ``chain``: the splits of a source, or the gate."""
        task_input = self._input(chain, on_cut)
        if self.assignment.restore is not None:
            task_input.restore(self.assignment.restore)
        return task_input

    def restore(self, chain: Chain) -> None:
        """Load the states of the operators, which are open; CheckpointError or StepFailed if that is impossible."""
        restore, nodes = self.assignment.restore, self.assignment.vertex.operators
        if restore is not None:
            nodes = tuple(node for node in nodes if node.id not in restore.dropped)
            load_states(chain.states, nodes, restore.files, OwnedState.of(self.assignment, restore), self.steps)
            chain.restore(restore.event_times, restore.memos)

    def _input(self, chain: Chain, on_cut: OnCut) -> TaskInput:
        channels = {port: self.gate.channels(port) for port in self.assignment.ports()}
        if self.assignment.has_ended:
            return EndedInput(self.gate, sum(map(len, channels.values())))
        vertex = self.assignment.vertex
        head = vertex.operators[0]
        spec = head.spec
        if isinstance(spec, specs.Source):
            return SourceInput(
                head,
                self._source(head, spec),
                SplitSupply(self.assignment.splits, self.assignment.left, self._ask_splits),
                chain,
                self.gate,
                self.steps,
                self.counters,
                rows_to_read(vertex, self.host.config.batch_rows),
                None if spec.timing is None else SourceProgress(spec.timing, self.held),
                on_cut,
            )
        return GateInput(self.gate, channels, chain, self.counters, self.assignment.timed_ports(), on_cut)

    def _source(self, node: Node, spec: specs.Source) -> Source:
        source = self.steps.run(node, "open", lambda: self.host.makers.source(spec))
        about = partial(SourceWarned, self.host.agent, self.assignment.attempt, node.id)
        source.on_warning(lambda kind, message: self.host.report(about(kind, message)))
        return source

    def context(self, node: Node, mailbox: Mailbox, alarms: Alarms, task_input: TaskInput) -> OperatorContext:
        """Create the context of the operator of ``node``, which ``mailbox`` and ``alarms`` wake."""
        attempt = self.assignment.attempt
        return OperatorContext(
            run=attempt.run,
            operator=node.id,
            index=attempt.task.index,
            parallelism=self.assignment.vertex.parallelism,
            groups=self.assignment.graph.groups,
            config=self.host.config,
            counters=self.counters,
            wake=partial(mailbox.wake_operator, node.id),
            wake_in=partial(alarms.add, node.id),
            advance_clock=task_input.advance_clock,
            epoch=attempt.epoch,
            lineage=self.assignment.lineage,
            ends=node.id in self.assignment.vertex.bounded,
        )

    def _ask_splits(self, nbytes: int) -> None:
        self.host.report(SplitWanted(self.host.agent, self.assignment.attempt, nbytes))

    def _edges(self, wake: Callable[[], None]) -> list[OutputRoute]:
        assignment = self.assignment
        return [
            OutputRoute(
                edge.operator,
                edge.side,
                edge.index,
                self.host.exchange.output(
                    assignment.attempt,
                    edge,
                    assignment.graph,
                    assignment.placement,
                    wake,
                ),
            )
            for edge in assignment.edges_out()
        ]

    def _results(self, operator: str, sink: specs.Sink, wake: Callable[[], None]) -> ResultBuffer:
        task = self.assignment.attempt.task
        keep = sink.options.get("held", sink.options.get("keep")) if sink.connector == "live" else None
        restore, epoch = self.assignment.restore, self.assignment.attempt.epoch
        restoring = restore is not None and not restore.ended
        buffer = self.host.results.open(task.run, operator, task.index, wake, keep, epoch, restoring=restoring)
        if self.assignment.has_ended:
            buffer.go_on_anywhere()
        return buffer
