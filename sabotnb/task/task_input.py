"""The protocol of a task's input, which is a gate or the splits of a source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeAlias

from sabotnb.eventtime import DelayedRows, Times
from sabotnb.metrics import WatermarkHolder
from sabotnb.protocol import (
    MIN_WATERMARK,
    AssignSplits,
    Cut,
    End,
    Leave,
    RaiseBound,
    SourceState,
    Status,
    TaskRestore,
    Watermark,
)
from sabotnb.task.frozen_chain import FrozenChain
from sabotnb.task.stage import Item

Work: TypeAlias = Iterator[Item]
"""Items for the outputs of a task, computed only as far as they are pulled."""

OnCut: TypeAlias = Callable[[Cut, FrozenChain, SourceState | None], None]
"""Called when a task has frozen at a cut, before the cut goes to its outputs."""


def ignore_cut(_cut: Cut, _frozen: FrozenChain, _source: SourceState | None) -> None:
    """Do nothing: no one asks for the states of this task."""


def last_sent(restore: TaskRestore) -> list[Watermark | Status]:
    """Return the watermark that downstream tasks had at the cut, which a restored task sends first."""
    us = restore.event_times.get("", MIN_WATERMARK)
    return [Watermark(us)] if us > MIN_WATERMARK else []


class TaskInput(Protocol):
    """The input of a task; only the task's thread uses it."""

    @property
    def ended(self) -> bool:
        """True once the work at the end of the input was pulled completely."""
        ...

    @property
    def last_element(self) -> End | Leave:
        """The element that downstream tasks get behind the last row."""
        ...

    def holder(self) -> WatermarkHolder | None:
        """What holds the watermark of the input back; None without event time, and if nothing does."""
        ...

    def advance_clock(self, times: Times) -> DelayedRows | None:
        """Move the clock of the split whose rows are being processed over their event times."""
        ...

    def wait(self, timeout: float) -> None:
        """Sleep until there may be an element, the task is woken, or ``timeout`` seconds have passed."""
        ...

    def restore(self, restore: TaskRestore) -> None:
        """Continue from a cut; called once, before the first element."""
        ...

    def take_cut(self, cut: Cut, *, hold: bool) -> None:
        """Take ``cut`` by command if it does not come through a gate; with ``hold`` a source reads nothing after it."""
        ...

    @property
    def takes_cut(self) -> bool:
        """True while a cut that was commanded is being taken, or will be: it may be on its way through the gate."""
        ...

    def take_due_cut(self) -> Work | None:
        """Return the work of the next cut that was commanded; None if there is none. The previous work must be done."""
        ...

    def take(self) -> Work | None:
        """Return the next work, None if there is none yet; does not wait. The previous work must be done."""
        ...

    def start(self) -> None:
        """Begin to read: every task of the job is running."""
        ...

    def stop(self) -> None:
        """End the input without further rows."""
        ...

    def assign(self, command: AssignSplits | RaiseBound) -> None:
        """Take splits that were handed out, or learn of those that are left."""
        ...

    def pause(self) -> None:
        """Read no new rows until ``resume`` or ``stop``."""
        ...

    def resume(self) -> None:
        """Continue after a ``pause``."""
        ...

    def close(self) -> None:
        """Close open readers, also after a failure or a cancel."""
        ...
