"""The loop of a task: moves work from the input to the outputs, and reads the mailbox in between.

Theory of operation. The loop repeats in the task's thread: read the mailbox; without credit, sleep for it; else pull
one item of the current work and pass it to the outputs; without work, call the operators that asked to be woken, or
take the next element of the input; without an element, sleep for it.

- The loop pulls only while all outputs are writable, and pulls one item per round. So an output exceeds its credit
  by its pending slices and one emission at most, and a task that waits for credit inside an exploding join still reads
  a cancel.
- A task sleeps in one of two places. Waiting for input it sleeps in the gate, which ends with an element or a wake-up.
  Waiting for credit it must not take an element, so it sleeps in the mailbox. ``Mailbox.wake`` ends both.
- While an operator has enough rows (``Operator.accepts``), no element is taken. The task sleeps in the mailbox then,
  and counts as busy: the operator works, outside this thread.
- A cut that was commanded is taken as soon as the current work is done, before everything else: also while the input is
  paused, and while an operator has enough rows. The work at the end of the input takes it between two of its results.
  A cut that comes through the gate is an element like others. While one is on its way, or due, the task goes on beyond
  the budget for rows that a client has not read: a client may be slow, and these rows are state.
- A task that has sent its end and waits for its client takes cuts as well. They are not sent: its outputs have ended.
- Operators are woken between two works, by ``wake`` or by an alarm (``wake_in``), before the next element is taken: a
  task that always has input wakes them as well. The next alarm limits the sleep in the gate. It does not limit the
  sleep for credit, as no operator may run without it; alarms that go off meanwhile are answered when it returns.
- Before each sleep it flushes the outputs: rows that wait there to be merged would wait as long as the task sleeps.
- No wake-up is lost. In the mailbox it is remembered until the next ``wait``, and after ``wait`` the loop looks at
  commands and credit again. In the gate each poll clears it, also the one in ``take`` just before the sleep, so the
  loop asks ``has_requests`` between the two. ``SLEEP_SECONDS`` is a limit in case of an error in this.
"""

from __future__ import annotations

from collections import deque

from sabotnb.metrics import TaskCounters
from sabotnb.protocol import (
    AssignSplits,
    CancelTasks,
    Command,
    CutStored,
    PauseSources,
    RaiseBound,
    ResumeSources,
    StartSources,
    StopSources,
    TakeCut,
)
from sabotnb.task.alarms import Alarms
from sabotnb.task.chain import Chain
from sabotnb.task.mailbox import Mailbox
from sabotnb.task.stage import Emission
from sabotnb.task.steps import TaskCanceled
from sabotnb.task.stopwatch import Activity, Stopwatch
from sabotnb.task.task_cuts import TaskCuts
from sabotnb.task.task_input import TaskInput, Work
from sabotnb.task.task_outputs import TaskOutputs

SLEEP_SECONDS = 1.0
"""Longest sleep: bounds the delay if a wake-up were lost."""


class _Done:
    """The type of the sentinel that marks the end of a work."""


_DONE = _Done()


class Loop:
    """Runs a task until its input has ended or it is canceled; used by the task's thread only."""

    def __init__(
        self,
        task_input: TaskInput,
        chain: Chain,
        outputs: TaskOutputs,
        mailbox: Mailbox,
        alarms: Alarms,
        stopwatch: Stopwatch,
        counters: TaskCounters,
        cuts: TaskCuts,
    ) -> None:
        self._cuts = cuts
        self._input = task_input
        self._chain = chain
        self._outputs = outputs
        self._mailbox = mailbox
        self._alarms = alarms
        self._stopwatch = stopwatch
        self._counters = counters

    def run(self) -> None:
        """Work until the input has ended; TaskCanceled if the task is canceled first."""
        work: Work = iter(())
        while True:
            self._read_mailbox()
            if not self._outputs.writable(for_cut=self._input.takes_cut):
                self._wait_for_credit()
                continue
            self._outputs.send_aged()
            item = next(work, _DONE)
            if isinstance(item, Emission):
                self._outputs.emit(item)
            elif isinstance(item, _Done):
                if self._input.ended:
                    break
                work = self._next_work()
            elif item is not None:
                self._outputs.broadcast(item)
        self._measure()

    def wait_results_read(self) -> None:
        """Wait after the end until the client has read the rows that it must; TaskCanceled if canceled first."""
        while self._outputs.unread():
            self._read_mailbox()
            while (cut := self._input.take_due_cut()) is not None:
                deque(cut, maxlen=0)  # taken, and not emitted: the outputs have ended
            self._wait_for_credit()

    def wait_written(self) -> None:
        """Wait until the cuts that were taken are written and reported; TaskCanceled if canceled first."""
        while self._cuts.writing:
            self._read_mailbox()
            self._mailbox.wait(SLEEP_SECONDS)
        self._read_mailbox()

    def _read_mailbox(self) -> None:
        self._cuts.raise_error()
        while (command := self._mailbox.take()) is not None:
            match command:
                case CancelTasks():
                    raise TaskCanceled
                case TakeCut(cut=cut, hold=hold):
                    self._input.take_cut(cut, hold=hold)
                case CutStored(cut=stored):
                    self._cuts.note_stored(stored)
                case _:
                    self._tell_input(command)
        if self._mailbox.take_measurement_request():
            self._measure()

    def _tell_input(self, command: Command) -> None:
        match command:
            case StartSources():
                self._input.start()
            case AssignSplits() | RaiseBound():
                self._input.assign(command)
            case StopSources():
                self._input.stop()
            case PauseSources():
                self._input.pause()
            case ResumeSources():
                self._input.resume()

    def _measure(self) -> None:
        """Store in the counters how large the operators' state is, and what event time waits for."""
        self._counters.state_keys, self._counters.state_bytes = self._chain.state_size()
        self._counters.awaited = self._chain.awaited()
        self._counters.holder = self._input.holder()

    def _next_work(self) -> Work:
        if (cut := self._input.take_due_cut()) is not None:
            return cut
        if woken := self._mailbox.take_woken_operators() | self._alarms.take_due():
            return self._chain.on_wake(woken)
        if not self._chain.accepts():
            self._outputs.flush()
            self._mailbox.wait(self._alarms.wait(SLEEP_SECONDS))
            return iter(())
        work = self._input.take()
        if work is None:
            self._wait_for_input()
        return work or iter(())

    def _wait_for_input(self) -> None:
        """Sleep until there is input, unless a poll of the gate has cleared the wake-up of a request."""
        self._outputs.flush()
        if not self._mailbox.has_requests:
            self._stopwatch.switch(Activity.IDLE)
            self._input.wait(self._alarms.wait(SLEEP_SECONDS))
            self._stopwatch.switch(Activity.BUSY)

    def _wait_for_credit(self) -> None:
        self._outputs.flush()
        self._stopwatch.switch(Activity.BACKPRESSURED)
        self._mailbox.wait(SLEEP_SECONDS)
        self._stopwatch.switch(Activity.BUSY)
