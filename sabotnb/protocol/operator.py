"""The operator protocol: what a task runs.

An operator never blocks and never sees a channel. It returns iterators of batches. Its task pulls the next batch only
while the outputs are writable, and handles its mailbox between two batches. Batches of bounded size
(``Config.batch_rows`` rows) keep backpressure and cancels prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar

import pyarrow as pa

from sabotnb.config import Config
from sabotnb.eventtime import DelayedRows, Times
from sabotnb.metrics import TaskCounters
from sabotnb.protocol.elements import Cut, EndReason
from sabotnb.protocol.ids import FIRST_EPOCH, LineageCut, RunId
from sabotnb.protocol.state import KeyedState, StateSpec

S = TypeVar("S", bound=KeyedState)
SideTag = str
Out: TypeAlias = pa.RecordBatch | tuple[SideTag, pa.RecordBatch]


class Delayed(Enum):
    """What an operator does with delayed rows, which have the column ``CLOCK``."""

    KEEP = "keep"  # takes any columns and keeps ``CLOCK``, as filters do
    TAKE = "take"  # reads ``CLOCK`` to decide which rows are late
    DROP = "drop"  # has no use for the clock: gets the rows without it
    SPLIT = "split"  # gets the rows of each clock apart, without it; what it returns inherits the clock


def _never_called(_seconds: float = 0.0) -> None:
    raise RuntimeError("this context belongs to no task, so there is no task to wake")


def _no_clock(_times: Times) -> DelayedRows | None:
    raise RuntimeError("this context belongs to no source task, so there is no split with a clock")


@dataclass(frozen=True, slots=True)
class OperatorContext:
    """The environment of one operator instance, made by its task, which runs in ``epoch`` of ``run``.

    ``index`` of ``parallelism`` tasks; ``groups`` is the job's number of key groups. ``wake`` may be called from any
    thread and makes the task call ``on_wake`` of this operator soon; ``wake_in(seconds)``, from the task's thread only,
    after that time. Every call is answered; those of the same few milliseconds together.
    ``operator`` is the operator's id. ``lineage`` are the cuts that lead to the epoch (``StoredCut``). ``states`` are
    those that ``keyed`` was given. ``advance_clock`` moves the clock of the split whose rows are being processed
    (``Reader.advance_clock``), in the task of a source. ``ends`` if all inputs of the operator end.
    """

    run: RunId
    operator: str
    index: int
    parallelism: int
    groups: int
    config: Config = field(default_factory=Config)
    counters: TaskCounters = field(default_factory=TaskCounters)
    wake: Callable[[], None] = _never_called
    wake_in: Callable[[float], None] = _never_called
    advance_clock: Callable[[Times], DelayedRows | None] = _no_clock
    epoch: int = FIRST_EPOCH
    lineage: tuple[LineageCut, ...] = ()
    ends: bool = False
    states: dict[StateSpec, KeyedState] = field(default_factory=dict)

    def keyed(self, spec: StateSpec, state: S) -> S:
        """Share ``state`` with the task, which measures it and may freeze, move and drop its key groups.

        Call it in ``open``; the operator then uses the returned state as its own.
        """
        if any(other.name == spec.name for other in self.states):
            raise ValueError(f"{self.operator} has a state {spec.name!r} already; give each a name of its own")
        self.states[spec] = state
        return state


class Operator(Protocol):
    """One operator instance in one task; all methods are called from the task's thread.

    Implementations subclass this protocol and inherit what they do not need.
    """

    delayed: ClassVar[Delayed] = Delayed.DROP
    calls_function: ClassVar[bool] = False
    """True if ``process`` calls a function of the user with the rows: a slow one gets them in slices."""

    def open(self, ctx: OperatorContext) -> None:
        """Load functions and create state (``ctx.keyed``). An exception fails the job before any row flows."""
        return

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        """Process one batch (never empty) of input ``port``; yields output batches of bounded size."""
        ...

    def accepts(self) -> bool:
        """False while the operator has enough rows: its task takes no element of its input until the operator is woken.

        Asked before each element, so it must be cheap.
        """
        return True

    def on_watermark(self, us: int) -> Iterable[Out]:
        """Event time of all inputs has reached ``us`` (microseconds); emit the results that waited for it."""
        return ()

    def output_watermark(self, us: int) -> int:
        """The watermark that may leave behind the rows emitted so far, at most ``us``, that of the input.

        An operator that may still emit a row with an earlier event time holds it back. Asked after ``on_watermark``,
        ``on_wake`` and ``on_end``; the chain lets the result rise only.
        """
        return us

    def awaited(self) -> int | None:
        """The event time (microseconds) that the next results wait for; None if none wait. Asked twice a second."""
        return None

    def on_wake(self) -> Iterable[Out]:
        """Something asynchronous finished (see ``OperatorContext.wake``)."""
        return ()

    def on_cut(self, cut: Cut) -> Iterable[Out]:
        """Emit everything that is held outside the states and ``memo``, such as changes that wait for a timer."""
        return ()

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        """All channels of ``port`` have ended; called once per port."""
        return ()

    def divisible(self) -> bool:
        """True if the states and the memo have all results of ``on_end`` that were not pulled yet, and no others.

        Asked between two of them if a cut is due: the operator is then frozen there, and after a restore ``on_end``
        returns the rest. Else its task first pulls all that are left, and they become state. An operator whose results
        are many, or slow to compute, is divisible at least now and then: an empty batch makes its task ask.
        """
        return False

    def memo(self) -> Mapping[str, Any]:
        """What the operator must know after a restore beside its states: a few JSON-able values, read at a cut.

        Called after ``on_cut``. The times in it are event time, or seconds from now: clocks differ after a restore.
        """
        return {}

    def restored(self, memos: Sequence[Mapping[str, Any]]) -> None:
        """The states were loaded; ``memos`` are those of the tasks whose state this one continues.

        Called once between ``open`` and the first row, only after a restore. There is one memo unless the parallelism
        has changed; none for an operator that is new. ``on_end`` comes again for ports that had ended.
        """
        return

    def close(self) -> None:
        """Release what ``open`` acquired; called once, also after a failure or a cancel."""
        return


@dataclass(frozen=True, slots=True)
class Committable:
    """Output that is complete but not yet visible. Plain data that outlives its task.

    ``payload`` is JSON-able and holds everything that a ``Committer`` on any agent needs.
    """

    operator: str
    payload: Mapping[str, Any]


FINAL_CUT = 0
"""The cut that ``SinkOperator.roll`` gets at the end of the input; cuts of a run count from 1."""


class Prepared(Protocol):
    """The output of one task between two cuts, which its sink no longer touches."""

    def durable(self) -> list[Committable]:
        """Make the output durable under a temporary name; returns what a committer needs to commit it.

        Called once, from any thread, also after the sink was closed. May block on I/O.
        """
        ...


class SinkOperator(Operator, Protocol):
    """An operator that writes. ``process`` yields nothing."""

    def roll(self, cut: int) -> Prepared:
        """Return everything received since the last call; rows that follow go into new files.

        Called from the task's thread at each cut and, with FINAL_CUT, after the last ``on_end``. It must be quick:
        ``Prepared.durable`` does the writing.
        """
        ...


class Committer(Protocol):
    """Commits or aborts the output that sinks prepared: stateless, idempotent, on any agent. May block on I/O."""

    def check(self, committables: Sequence[Committable]) -> None:
        """Raise a SinkError if output that earlier runs prepared, and this run goes on from, cannot be committed."""
        ...

    def commit(self, committables: Sequence[Committable]) -> None:
        """Make the output visible at the end of the run; a second call changes nothing."""
        ...

    def commit_cut(self, cut: int, committables: Sequence[Committable]) -> None:
        """Make what was prepared up to a stored ``cut`` visible while the run goes on; touches no other output.

        Cuts are committed in order. A call that raised, or was cut short, is finished by the next one.
        """
        ...

    def keep(self, committables: Sequence[Committable]) -> str:
        """Save what a failed ``commit`` left from later runs; returns where it is, or an empty string."""
        ...

    def abort(self, committables: Sequence[Committable], kept: Sequence[Committable] = ()) -> None:
        """Remove the output, except that of committed cuts, and temporary output that was never prepared.

        What is ``kept`` stays prepared: another run may go on from a stored cut, and commit it. For the end of a run
        only.
        """
        ...
