"""One running task: a thread that moves what its input brings through a chain of operators into its outputs."""

from __future__ import annotations

import logging
import threading

import pyarrow as pa

from sabotnb.errors import ProtocolError
from sabotnb.graph import specs
from sabotnb.graph.job_graph import Operator as Node
from sabotnb.metrics import TaskCounters
from sabotnb.protocol.control import (
    CancelTasks,
    Command,
    PauseSources,
    Queue,
    ResumeSources,
    StartSources,
    StopSources,
    TaskChanged,
    TaskState,
)
from sabotnb.protocol.elements import End
from sabotnb.protocol.failure import Failure
from sabotnb.protocol.operator import Committable, OperatorContext
from sabotnb.task.chain import Chain, Emission
from sabotnb.task.failure import failure_of
from sabotnb.task.gate_input import GateInput
from sabotnb.task.host import Assignment, Host
from sabotnb.task.mailbox import Mailbox
from sabotnb.task.outputs import Outputs, Route
from sabotnb.task.probe import Probe
from sabotnb.task.results import ResultOutput
from sabotnb.task.source_input import SourceInput, rows_to_read
from sabotnb.task.stages import is_pulled, make_stages
from sabotnb.task.steps import Steps, TaskCanceled
from sabotnb.task.stopwatch import Activity, Stopwatch
from sabotnb.task.taps import Taps
from sabotnb.task.task_input import TaskInput, Work

log = logging.getLogger(__name__)

SLEEP_SECONDS = 1.0
"""Longest sleep. Everything that concerns a task wakes it; this bounds what a lost wake-up could cost."""


class Task:
    """One attempt at a task. Its gate exists as soon as the task does; ``start`` starts the thread.

    Reports RUNNING once its operators are open, then exactly one of FINISHED, FAILED and CANCELED when everything is
    closed. Between two pulls of an operator's iterator it reads its mailbox, and it pulls only while its outputs are
    writable, so a task that waits for credit inside an exploding join still hears a cancel.
    """

    def __init__(self, assignment: Assignment, host: Host) -> None:
        self.attempt = assignment.attempt
        self._assignment = assignment
        self._name = assignment.vertex.operators[0].id
        self._host = host
        self._steps = Steps()
        self._counters = TaskCounters(operators={node.id: 0 for node in assignment.vertex.operators})
        self._taps = Taps(self._counters)
        ids = (node.id for node in assignment.vertex.operators)
        self._schemas = dict(zip(ids, assignment.vertex.schemas, strict=False))
        self._stopwatch = Stopwatch(self._counters)
        task = self.attempt.task
        self._gate = host.exchange.gate(task.job, self.attempt.epoch, task.vertex, task.index, assignment.graph)
        self._mailbox = Mailbox(self._gate)
        self._operator_woken = threading.Event()
        self._measuring = False
        self._chain = Chain((), self._steps, self._taps)
        self._outputs = Outputs((), self._counters)
        self._input: TaskInput | None = None
        self._concluding = threading.Lock()
        self._concluded = False
        self._thread = threading.Thread(target=self._run, name=str(self.attempt), daemon=True)

    @property
    def alive(self) -> bool:
        """True while its thread runs."""
        return self._thread.is_alive()

    @property
    def concluded(self) -> bool:
        """True once its last state has been reported."""
        return self._concluded

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def post(self, command: Command) -> None:
        """Give the task a command; from any thread."""
        self._mailbox.post(command)

    def join(self, timeout: float) -> bool:
        """Wait for the thread to end, if it was ever started; False if it has not within ``timeout`` seconds."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def interrupt(self) -> None:
        """Break a call that does not return, if it is Python code; for a task that has been canceled."""
        self._steps.interrupt()

    def give_up(self, seconds: float) -> str | None:
        """Report CANCELED for a canceled task that hangs; gives what it hangs in, None if it has ended meanwhile.

        Python cannot end a thread, so the task goes on to hold its memory until that call returns.
        """
        current = self._steps.current()
        operator, step = (current[0].id, current[1]) if current is not None else (self._name, "its own code")
        where = f"{step} of {operator}"
        message = (
            f"{self.attempt.task} was canceled, but {where} has not returned for {seconds:g} s; "
            f"its thread on {self._host.agent} lives until it does. env.close() ends the process"
        )
        failure = Failure("JobCanceled", message, operator=operator)
        return where if self._conclude(TaskState.CANCELED, failure=failure) else None

    def counters(self) -> TaskCounters:
        """The counters now; from any thread."""
        return self._stopwatch.snapshot()

    def ask_state_size(self) -> None:
        """Have the task measure its state soon; ``counters`` has what was found last. From any thread."""
        self._measuring = True

    def probe(self, operator: str) -> Probe:
        """The probe behind ``operator``, put there if there is none; ProtocolError if the chain has no such operator.

        One thread at a time, ``take_out_probes`` included.
        """
        if operator not in self._counters.operators:
            raise ProtocolError(f"{self.attempt.task} has no operator {operator!r} to probe")
        return self._taps.probe(operator)

    def schema(self, operator: str) -> pa.Schema | None:
        """The schema behind ``operator``."""
        return self._schemas.get(operator)

    def take_out_probes(self) -> None:
        """Take out the probes that nobody has asked for lately."""
        self._taps.take_out_unasked()

    def sent(self) -> dict[int, tuple[int, int]]:
        """(rows, bytes) sent by edge; from any thread."""
        return self._outputs.sent()

    def queues(self) -> tuple[Queue, ...]:
        """The channels of its gate that hold something; from any thread."""
        return self._gate.queues()

    def _run(self) -> None:
        self._stopwatch.start()
        committables: tuple[Committable, ...] = ()
        failure: Failure | None = None
        state = TaskState.FINISHED
        try:
            committables = self._live()
        except TaskCanceled:
            state = TaskState.CANCELED
        except BaseException as error:  # noqa: BLE001 - every end of the thread has to be reported
            state, failure = TaskState.FAILED, failure_of(error, self._host.agent)
        for raised in self._close():
            if state is TaskState.FINISHED:
                state, failure, committables = TaskState.FAILED, failure_of(raised, self._host.agent), ()
            else:
                log.warning("closing %s, which is %s already", self.attempt, state.value, exc_info=raised)
        self._stopwatch.stop()
        self._let_go()
        self._conclude(state, failure=failure, committables=committables)

    def _let_go(self) -> None:
        """Drop the graph, whose tables may be large, and the operators: only the garbage collector frees a task."""
        self._chain, self._input = Chain((), self._steps, self._taps), None
        self._taps.close()
        del self._assignment

    def _live(self) -> tuple[Committable, ...]:
        task_input = self._open()
        self._report(TaskState.RUNNING)
        self._work(task_input)
        self._measure()
        committables = self._chain.prepare()
        self._end(task_input)
        return committables

    def _open(self) -> TaskInput:
        """Make and open everything that the task needs before the first row."""
        vertex = self._assignment.vertex
        self._outputs = Outputs(self._routes(), self._counters)
        self._chain = Chain(make_stages(vertex, self._host.makers, self._steps), self._steps, self._taps)
        head = vertex.operators[0]
        spec = head.spec
        if isinstance(spec, specs.Source):
            self._input = SourceInput(
                head,
                self._steps.run(head, "open", lambda: self._host.makers.source(spec)),
                self._assignment.splits,
                self._chain,
                self._gate,
                self._steps,
                self._counters,
                rows_to_read(vertex, self._host.config.batch_rows),
            )
        else:
            channels = {port: self._gate.channels(port) for port in self._assignment.ports()}
            self._input = GateInput(self._gate, channels, self._chain, self._counters)
        self._chain.open(self._context)
        return self._input

    def _routes(self) -> list[Route]:
        exchange, assignment, task = self._host.exchange, self._assignment, self.attempt.task
        routes = [
            Route(
                edge.operator,
                edge.side,
                edge.index,
                exchange.output(
                    task.job,
                    self.attempt.epoch,
                    edge,
                    task.index,
                    assignment.graph,
                    assignment.placement,
                    assignment.agents,
                    self._mailbox.wake,
                ),
            )
            for edge in assignment.edges_out()
        ]
        last = assignment.vertex.operators[-1]
        if is_pulled(last) and isinstance(last.spec, specs.Sink):
            keep = last.spec.options.get("keep") if last.spec.connector == "live" else None
            buffer = self._host.results.open(
                task.job, self.attempt.epoch, last.id, task.index, self._mailbox.wake, keep
            )
            routes.append(Route(last.id, None, None, ResultOutput(buffer, self._host.config)))
        return routes

    def _context(self, node: Node) -> OperatorContext:
        return OperatorContext(
            job=self.attempt.task.job,
            operator=node.id,
            index=self.attempt.task.index,
            parallelism=self._assignment.vertex.parallelism,
            groups=self._assignment.graph.groups,
            config=self._host.config,
            counters=self._counters,
            wake=self._wake_operator,
            epoch=self.attempt.epoch,
        )

    def _wake_operator(self) -> None:
        self._operator_woken.set()
        self._mailbox.wake()

    def _work(self, task_input: TaskInput) -> None:
        """Pull work and hand it on until the input has ended."""
        work: Work = iter(())
        while True:
            self._read_mailbox(task_input)
            if self._measuring:
                self._measure()
            if not self._outputs.writable():
                self._wait_for_credit()
                continue
            made = next(work, None)
            if isinstance(made, Emission):
                self._outputs.emit(made)
            elif made is not None:
                self._outputs.broadcast(made)
            elif task_input.ended:
                return
            else:
                work = self._next_work(task_input)

    def _next_work(self, task_input: TaskInput) -> Work:
        if self._operator_woken.is_set():
            self._operator_woken.clear()
            return self._chain.on_wake()
        work = task_input.take()
        if work is None:
            self._wait_for_input(task_input)
        return work or iter(())

    def _read_mailbox(self, task_input: TaskInput) -> None:
        while (command := self._mailbox.take()) is not None:
            match command:
                case CancelTasks():
                    raise TaskCanceled
                case StartSources():
                    task_input.start()
                case StopSources():
                    task_input.stop()
                case PauseSources():
                    task_input.pause()
                case ResumeSources():
                    task_input.resume()

    def _measure(self) -> None:
        """Find out how much state there is; not when the task is woken for it, as nothing changes while it sleeps."""
        self._measuring = False
        self._counters.state_keys, self._counters.state_bytes = self._chain.state_size()

    def _wait_for_input(self, task_input: TaskInput) -> None:
        """Sleep, unless a poll of the gate has swallowed the bell of something that is still to be done."""
        self._outputs.flush()
        if not self._called():
            self._stopwatch.switch(Activity.IDLE)
            task_input.wait(SLEEP_SECONDS)
            self._stopwatch.switch(Activity.BUSY)

    def _wait_for_credit(self) -> None:
        self._outputs.flush()
        self._stopwatch.switch(Activity.BACKPRESSURED)
        self._mailbox.wait(SLEEP_SECONDS)
        self._stopwatch.switch(Activity.BUSY)

    def _called(self) -> bool:
        return len(self._mailbox) > 0 or self._operator_woken.is_set()

    def _end(self, task_input: TaskInput) -> None:
        """Close the operators and only then tell downstream that the data are complete."""
        for error in self._chain.close():
            raise error
        self._outputs.broadcast(End(task_input.reason))
        self._outputs.flush()

    def _close(self) -> list[BaseException]:
        """Release everything, whatever fails on the way; gives what was raised."""
        errors = self._chain.close()
        closers = [self._outputs.close, self._gate.close]
        if self._input is not None:
            closers.insert(0, self._input.close)
        for close in closers:
            try:
                close()
            except BaseException as error:  # noqa: BLE001 - the rest has to be closed too; the caller reports
                errors.append(error)
        return errors

    def _report(self, state: TaskState) -> None:
        self._host.report(TaskChanged(self._host.agent, self.attempt, state))

    def _conclude(
        self, state: TaskState, *, failure: Failure | None = None, committables: tuple[Committable, ...] = ()
    ) -> bool:
        """Report the last state, once; False if that was done before."""
        with self._concluding:
            if self._concluded:
                return False
            self._concluded = True
        self._host.report(
            TaskChanged(self._host.agent, self.attempt, state, failure, committables, self.counters(), self.sent())
        )
        return True
