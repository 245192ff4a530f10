"""The cuts of one task: writes what it froze, acknowledges, and remembers output that is not known to be stored.

Theory of operation. The task's thread freezes (``take``), and goes on. The agent's writer thread writes the states,
makes the output durable and reports. What the two share is guarded by one lock, which is not held while writing.

- One thread writes, in the order of ``take``, so the acknowledgements of a task are in the order of its cuts. A cut
  without anything to write is acknowledged at once, but only if no earlier one is being written.
- Output that is durable is repeated with every acknowledgement, and with FINISHED, until the task learns that a cut
  which has it is stored. So output is in the first cut that is stored, whichever are abandoned.
- A cut whose states cannot be written has failed (``CutFailed``), and the task goes on: the next cut has its output
  too. Output that cannot be made durable is lost with this attempt, so the task fails.
- A task reports FINISHED only when all of its cuts are written and reported. Its end acknowledges the cuts that it has
  not taken. If it overtook the acknowledgement of one that was taken, the rows after that cut would count as rows
  before it, and would be missing after a restore.
- A task that fails or is canceled reports nothing more (``end``): what is being written then is finished, and not
  reported. Reports are made with the lock held, so none comes after the end.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sabotnb.errors import CheckpointError
from sabotnb.metrics import TaskCounters
from sabotnb.protocol import (
    Attempt,
    Committable,
    Cut,
    CutAcked,
    CutFailed,
    Failure,
    SourceState,
    StateFile,
    TaskReport,
    TaskSnapshot,
)
from sabotnb.storage import write_states
from sabotnb.task.cut_writer import CutWriter
from sabotnb.task.failure_report import failure_of
from sabotnb.task.frozen_chain import FrozenChain


@dataclass(frozen=True, slots=True)
class TakenCut:
    """What a task was at a cut."""

    cut: int
    chain: FrozenChain
    source: SourceState | None
    counters: TaskCounters
    sent: Mapping[int, tuple[int, int]]
    stateful: tuple[str, ...]


class TaskCuts:
    """Writes and reports the cuts of ``attempt``; ``wake`` is called when a write is over.

    The task's thread calls all methods, ``end`` may be called from any thread. ``counted`` returns a copy of what the
    task has counted: its counters, and (rows, bytes) sent by edge.
    """

    def __init__(
        self,
        attempt: Attempt,
        agent: str,
        storage: str | None,
        writer: CutWriter,
        report: Callable[[TaskReport], None],
        wake: Callable[[], None],
        counted: Callable[[], tuple[TaskCounters, Mapping[int, tuple[int, int]]]],
    ) -> None:
        self._attempt = attempt
        self._agent = agent
        self._storage = storage
        self._writer = writer
        self._report = report
        self._wake = wake
        self._counted = counted
        self._lock = threading.Lock()
        self._queued = 0
        self._ended = False
        self._error: BaseException | None = None
        self._unstored: deque[tuple[int, tuple[Committable, ...]]] = deque()

    def take(self, cut: Cut, chain: FrozenChain, source: SourceState | None) -> None:
        """Acknowledge ``cut`` as soon as ``chain`` is written."""
        stateful = tuple(dict.fromkeys(state.operator for state in chain.states))
        taken = TakenCut(cut.id, chain, source, *self._counted(), stateful)
        with self._lock:
            if not self._queued and not chain.writes:
                self._acknowledge(taken, None)
                return
            self._queued += 1
        self._writer.submit(lambda: self._write(taken))

    @property
    def writing(self) -> bool:
        """True while a cut is not reported."""
        return self._queued > 0

    def raise_error(self) -> None:
        """Raise the error of output that could not be made durable, if there is one."""
        if self._error is not None:
            raise self._error

    def note_stored(self, cut: int) -> None:
        """Drop the output up to ``cut``, which is stored."""
        with self._lock:
            while self._unstored and self._unstored[0][0] <= cut:
                self._unstored.popleft()

    def unstored(self) -> tuple[Committable, ...]:
        """Return the output of the cuts that are not known to be stored."""
        return tuple(committable for _, committables in self._unstored for committable in committables)

    def end(self) -> None:
        """Report nothing more."""
        with self._lock:
            self._ended = True

    def _write(self, taken: TakenCut) -> None:
        """Write, make durable and report; in the writer's thread.

        States come first: as long as they are frozen, the task saves each row that it changes.
        """
        if not self._ended and self._error is None:
            written = self._written(taken)
            try:
                output = tuple(taken.chain.prepared())
            except BaseException as error:  # noqa: BLE001 - becomes the failure of the task
                self._error = error
            else:
                self._finish(taken, output, written)
        with self._lock:
            self._queued -= 1
        self._wake()

    def _finish(self, taken: TakenCut, output: tuple[Committable, ...], written: StateFile | Failure | None) -> None:
        with self._lock:
            if output:
                self._unstored.append((taken.cut, output))
            if not isinstance(written, Failure):
                self._acknowledge(taken, written)
            elif not self._ended:
                self._report(CutFailed(self._agent, self._attempt, taken.cut, written))

    def _written(self, taken: TakenCut) -> StateFile | Failure | None:
        """The file of the states, None if there are none; or why it could not be written."""
        try:
            return self._file(taken)
        except BaseException as error:  # noqa: BLE001 - becomes the failure of the cut
            return failure_of(error, self._agent)

    def _file(self, taken: TakenCut) -> StateFile | None:
        if not taken.stateful:
            return None
        task = self._attempt.task
        if self._storage is None:
            raise CheckpointError(f"{task} has states, and its run has no storage; run it with checkpoint='60s'")
        return write_states(self._storage, task.run, self._attempt.epoch, taken.cut, task, taken.chain.drain())

    def _acknowledge(self, taken: TakenCut, file: StateFile | None) -> None:
        """Report the snapshot; the caller holds the lock."""
        if self._ended:
            return
        chain = taken.chain
        snapshot = TaskSnapshot(
            file, taken.source, chain.memos, chain.event_times, self.unstored(), stateful=taken.stateful
        )
        self._report(CutAcked(self._agent, self._attempt, taken.cut, snapshot, taken.counters, taken.sent))
