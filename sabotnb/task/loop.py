"""The loop of a task: it moves work from the input to the outputs and hears its mailbox in between."""

from __future__ import annotations

from sabotnb.metrics import TaskCounters
from sabotnb.protocol import CancelTasks, PauseSources, ResumeSources, StartSources, StopSources
from sabotnb.task.chain import Chain, Emission
from sabotnb.task.mailbox import Mailbox
from sabotnb.task.steps import TaskCanceled
from sabotnb.task.stopwatch import Activity, Stopwatch
from sabotnb.task.task_input import TaskInput, Work
from sabotnb.task.task_outputs import TaskOutputs

SLEEP_SECONDS = 1.0
"""Longest sleep. Everything that concerns a task wakes it; this bounds what a lost wake-up could cost."""


class Loop:
    """Pulls work and hands it on, in the task's thread.

    Between two pulls of an operator's iterator it reads the mailbox, and it pulls only while the outputs are writable,
    so a task that waits for credit inside an exploding join still hears a cancel.
    """

    def __init__(
        self,
        task_input: TaskInput,
        chain: Chain,
        outputs: TaskOutputs,
        mailbox: Mailbox,
        stopwatch: Stopwatch,
        counters: TaskCounters,
    ) -> None:
        self._input = task_input
        self._chain = chain
        self._outputs = outputs
        self._mailbox = mailbox
        self._stopwatch = stopwatch
        self._counters = counters

    def run(self) -> None:
        """Work until the input has ended; TaskCanceled if the task is canceled before."""
        work: Work = iter(())
        while True:
            self._read_mailbox()
            if not self._outputs.writable():
                self._wait_for_credit()
                continue
            self._outputs.send_aged()
            made = next(work, None)
            if isinstance(made, Emission):
                self._outputs.emit(made)
            elif made is not None:
                self._outputs.broadcast(made)
            elif self._input.ended:
                break
            else:
                work = self._next_work()
        self._measure()

    def wait_taken(self) -> None:
        """After the end, wait until the client has taken the rows that it must; TaskCanceled if canceled before."""
        while self._outputs.unread():
            self._read_mailbox()
            self._wait_for_credit()

    def _read_mailbox(self) -> None:
        while (command := self._mailbox.take()) is not None:
            match command:
                case CancelTasks():
                    raise TaskCanceled
                case StartSources():
                    self._input.start()
                case StopSources():
                    self._input.stop()
                case PauseSources():
                    self._input.pause()
                case ResumeSources():
                    self._input.resume()
        if self._mailbox.take_measuring():
            self._measure()

    def _measure(self) -> None:
        """Find out how much state there is."""
        self._counters.state_keys, self._counters.state_bytes = self._chain.state_size()

    def _next_work(self) -> Work:
        if self._mailbox.take_operator_wake():
            return self._chain.on_wake()
        work = self._input.take()
        if work is None:
            self._wait_for_input()
        return work or iter(())

    def _wait_for_input(self) -> None:
        """Sleep, unless a poll of the gate has swallowed the bell of something that is still to be done."""
        self._outputs.flush()
        if not self._mailbox.called:
            self._stopwatch.switch(Activity.IDLE)
            self._input.wait(SLEEP_SECONDS)
            self._stopwatch.switch(Activity.BUSY)

    def _wait_for_credit(self) -> None:
        self._outputs.flush()
        self._stopwatch.switch(Activity.BACKPRESSURED)
        self._mailbox.wait(SLEEP_SECONDS)
        self._stopwatch.switch(Activity.BUSY)
