"""One attempt at a task: its thread, from opening its operators to the report of its end.

Theory of operation. States: created -> opening -> RUNNING -> FINISHED, FAILED or CANCELED. The gate exists from the
creation on, so that upstream tasks may send before the thread starts. A task reports RUNNING once, when its operators
are open, and exactly one end, which may come without RUNNING if opening fails.

At the end of the input the order is: the sink prepares its output, the operators close, then the last element goes
downstream. An error in any of these is a failure of the task, so no downstream task may see a regular end before them.
Then the task waits until the client has read the rows that it must and its cuts are written (``task_cuts``), closes its
outputs and gate, and reports.

A task that is restored from a cut loads the states of its operators after their ``open``, before it reports RUNNING.
One that had ended before the cut has no operators: it passes its end on, and finishes.

Two threads may report the end: the task's own, and a thread that has waited too long for a canceled task and calls
``report_hanging``. ``_conclude`` lets the first of them report and ignores the other. A task that is still opening
then reports no RUNNING either: nothing is reported after an end.

Other threads reach a running task through the mailbox. They read counters and queues while the task changes them, so
these may be of slightly different moments; the locks of steps and probes are held for short operations only.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

import pyarrow as pa

from sabotnb.errors import ProtocolError, StaleMessage
from sabotnb.metrics import TaskCounters
from sabotnb.protocol import Command, Committable, Failure, Queue, TaskChanged, TaskState
from sabotnb.task.alarms import Alarms
from sabotnb.task.assembly import Assembly
from sabotnb.task.chain import Chain
from sabotnb.task.failure_report import failure_of
from sabotnb.task.host import Assignment, Host
from sabotnb.task.loop import Loop
from sabotnb.task.mailbox import Mailbox
from sabotnb.task.probe import Probe
from sabotnb.task.probes import Probes
from sabotnb.task.steps import Steps, TaskCanceled
from sabotnb.task.stopwatch import Stopwatch
from sabotnb.task.task_cuts import TaskCuts
from sabotnb.task.task_input import TaskInput
from sabotnb.task.task_outputs import TaskOutputs

log = logging.getLogger(__name__)


class TaskExecution:
    """One attempt at a task; ``start`` starts its thread.

    It reports RUNNING when its operators are open, and one of FINISHED, FAILED and CANCELED when everything is closed.
    """

    def __init__(self, assignment: Assignment, host: Host) -> None:
        self.attempt = assignment.attempt
        self._name = assignment.vertex.operators[0].id
        self._host = host
        self._steps = Steps()
        self._counters = TaskCounters(operators={node.id: 0 for node in assignment.vertex.operators})
        self._probes = Probes(self._counters)
        ids = (node.id for node in assignment.vertex.operators)
        self._schemas = dict(zip(ids, assignment.vertex.schemas, strict=False))
        self._stopwatch = Stopwatch(self._counters)
        self._gate = host.exchange.gate(self.attempt, assignment.graph, assignment.placement)
        self._mailbox = Mailbox(self._gate)
        self._alarms = Alarms()
        self._assembly = Assembly(
            assignment, host, self._gate, self._steps, self._probes, self._counters, self._stopwatch.held
        )
        self._cuts = TaskCuts(
            self.attempt,
            host.agent,
            assignment.storage,
            host.cut_writer,
            host.report,
            self._mailbox.wake,
            lambda: (self._counters.snapshot(), self.sent()),
        )
        self._chain = Chain((), self._steps, self._probes)
        self._outputs = TaskOutputs((), self._counters)
        self._input: TaskInput | None = None
        self._concluding = threading.Lock()
        self._concluded = False
        self._thread = threading.Thread(target=self._run, name=str(self.attempt), daemon=True)

    @property
    def alive(self) -> bool:
        """True while the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def post(self, command: Command) -> None:
        """Post a command to the task; from any thread."""
        self._mailbox.post(command)

    def join(self, timeout: float) -> bool:
        """Wait for the thread to end, if it was started; False if it runs after ``timeout`` seconds."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def interrupt(self) -> None:
        """Interrupt the running call of a canceled task, if it is Python code."""
        self._steps.interrupt()

    def report_hanging(self, seconds: float) -> str | None:
        """Report CANCELED for a canceled task that hangs; returns the call it hangs in, None if it has ended meanwhile.

        Python cannot end a thread, so the task holds its memory until that call returns.
        """
        current = self._steps.current()
        operator, step = (current[0].id, current[1]) if current is not None else (self._name, "its own code")
        where = f"{step} of {operator}"
        message = (
            f"{self.attempt.task} was canceled, but {where} has not returned for {seconds:g} s; "
            f"its thread on {self._host.agent} runs until it does. env.close() ends the process"
        )
        failure = Failure("JobCanceled", message, operator=operator)
        return where if self._conclude(TaskState.CANCELED, failure=failure) else None

    def counters(self) -> TaskCounters:
        """Return a copy of the counters; from any thread."""
        counters = self._stopwatch.snapshot()
        counters.seconds = self._steps.seconds()
        return counters

    def ask_state_size(self) -> None:
        """Ask the task to measure its state; a later ``counters`` has the result. From any thread."""
        self._mailbox.request_measurement()

    def probe(self, operator: str) -> Probe:
        """Return the probe behind ``operator``, created if there is none; ProtocolError if there is no such operator.

        One thread at a time, ``take_out_probes`` included.
        """
        if operator not in self._counters.operators:
            raise ProtocolError(f"{self.attempt.task} has no operator {operator!r} to probe")
        return self._probes.probe(operator)

    def samples(self) -> list[dict[str, Any]]:
        """Return the last late and failing rows as plain data; from any thread."""
        return self._probes.samples.answers()

    def schema(self, operator: str) -> pa.Schema | None:
        """Return the schema behind ``operator``; None if it is unknown."""
        return self._schemas.get(operator)

    def take_out_probes(self) -> None:
        """Remove the probes that were not read lately."""
        self._probes.remove_unread()

    def sent(self) -> dict[int, tuple[int, int]]:
        """Return (rows, bytes) sent by edge; from any thread."""
        return self._outputs.sent()

    def queues(self) -> tuple[Queue, ...]:
        """Return the channels of the gate that hold elements; from any thread."""
        return self._gate.queues()

    def _run(self) -> None:
        self._stopwatch.start()
        committables: tuple[Committable, ...] = ()
        failure: Failure | None = None
        state = TaskState.FINISHED
        try:
            committables = self._execute()
        except TaskCanceled:
            state = TaskState.CANCELED
        except BaseException as error:  # noqa: BLE001 - the thread must not end without a report
            if isinstance(error, StaleMessage) and self._mailbox.canceled:  # its run was released before it read that
                state = TaskState.CANCELED
            else:
                state, failure = TaskState.FAILED, failure_of(error, self._host.agent, self._name)
                self._probes.samples.note_failure(failure)
        for raised in self._close(ended=state is TaskState.FINISHED):
            if state is TaskState.FINISHED:
                state, failure, committables = TaskState.FAILED, failure_of(raised, self._host.agent), ()
            elif not isinstance(raised, TaskCanceled):
                log.warning("closing %s failed after it was %s", self.attempt, state.value, exc_info=raised)
        self._stopwatch.stop()
        self._release()
        self._conclude(state, failure=failure, committables=committables)

    def _release(self) -> None:
        """Drop the graph, whose tables may be large, and the operators.

        The task itself is freed by the garbage collector only, which may run much later.
        """
        self._chain.release()
        self._chain, self._input = Chain((), self._steps, self._probes), None
        self._probes.close()
        del self._assembly

    def _execute(self) -> tuple[Committable, ...]:
        task_input = self._open()
        self._report_running()
        loop = Loop(
            task_input,
            self._chain,
            self._outputs,
            self._mailbox,
            self._alarms,
            self._stopwatch,
            self._counters,
            self._cuts,
        )
        loop.run()
        committables = self._chain.prepare()
        self._end(task_input)
        loop.wait_results_read()
        loop.wait_written()
        return (*self._cuts.unstored(), *committables)

    def _open(self) -> TaskInput:
        """Create and open everything that the task needs before the first row."""
        self._outputs = self._assembly.outputs(self._mailbox.wake)
        self._chain = self._assembly.chain(self._outputs)
        self._input = task_input = self._assembly.input(self._chain, self._cuts.take)
        self._chain.open(lambda node: self._assembly.context(node, self._mailbox, self._alarms, task_input))
        self._assembly.restore(self._chain)
        return self._input

    def _end(self, task_input: TaskInput) -> None:
        """Close the operators, and only then send the last element downstream."""
        if self._outputs.awaits_client:
            self._chain.freeze_end()
        for error in self._chain.close():
            raise error
        self._outputs.broadcast(task_input.last_element)
        self._outputs.flush()

    def _close(self, *, ended: bool) -> list[BaseException]:
        """Close everything, also after errors; returns the errors. ``ended`` is True at the end of the input."""
        errors = self._chain.close()
        closers = [self._outputs.close, self._gate.close if ended else self._gate.discard]
        if self._input is not None:
            closers.insert(0, self._input.close)
        for close in closers:
            try:
                close()
            except BaseException as error:  # noqa: BLE001 - the rest has to be closed too; the caller reports
                errors.append(error)
        return errors

    def _report_running(self) -> None:
        """Report RUNNING; TaskCanceled if the end was reported, which can happen while an operator opens."""
        with self._concluding:  # held while reporting, so that no end is reported before
            if self._concluded:
                raise TaskCanceled
            self._host.report(TaskChanged(self._host.agent, self.attempt, TaskState.RUNNING))

    def _conclude(
        self, state: TaskState, *, failure: Failure | None = None, committables: tuple[Committable, ...] = ()
    ) -> bool:
        """Report the final state; False if it was reported before."""
        with self._concluding:
            if self._concluded:
                return False
            self._concluded = True
        self._cuts.end()
        self._host.report(
            TaskChanged(self._host.agent, self.attempt, state, failure, committables, self.counters(), self.sent())
        )
        return True
