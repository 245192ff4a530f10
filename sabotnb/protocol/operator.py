"""The operator protocol: what a task runs.

An operator never blocks and never sees a channel: it returns iterators, which its task pulls only while the outputs
are writable and between which it answers its mailbox. Bounded pieces (``Config.batch_rows`` rows) keep both prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

import pyarrow as pa

from sabotnb.config import Config
from sabotnb.metrics import TaskCounters
from sabotnb.protocol.elements import Cut, EndReason
from sabotnb.protocol.state import KeyedState, StateSpec

S = TypeVar("S", bound=KeyedState)
SideTag = str
Out: TypeAlias = pa.RecordBatch | tuple[SideTag, pa.RecordBatch]


def _never_called() -> None:
    raise RuntimeError("this context belongs to no task, so there is no task to wake")


@dataclass(frozen=True, slots=True)
class OperatorContext:
    """What its task gives an operator to work with.

    ``index`` of ``parallelism`` tasks; ``groups`` is the job's number of key groups. ``wake`` may be called from any
    thread and makes the task call ``on_wake`` soon. ``job`` is the job's name, ``operator`` the operator's id and
    ``epoch`` that of the attempt. ``states`` are those that ``keyed`` was given.
    """

    job: str
    operator: str
    index: int
    parallelism: int
    groups: int
    config: Config = field(default_factory=Config)
    counters: TaskCounters = field(default_factory=TaskCounters)
    wake: Callable[[], None] = _never_called
    epoch: int = 0
    states: dict[StateSpec, KeyedState] = field(default_factory=dict)

    def keyed(self, spec: StateSpec, state: S) -> S:
        """Share ``state`` with the task, which measures it and may freeze, move and drop its key groups.

        To be called in ``open``; the operator goes on to use the state as its own.
        """
        if any(other.name == spec.name for other in self.states):
            raise ValueError(f"{self.operator} has a state {spec.name!r} already; give each a name of its own")
        self.states[spec] = state
        return state


class Operator(Protocol):
    """One operator instance in one task; all methods are called from the task's thread.

    Implementations subclass this protocol and inherit what they do not need.
    """

    def open(self, ctx: OperatorContext) -> None:
        """Load functions and make state (``ctx.keyed``). What it raises fails the job before any row flows."""
        return

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        """Take one batch of input ``port`` (never empty); the output comes in batches of bounded size."""
        ...

    def on_watermark(self, us: int) -> Iterable[Out]:
        """Event time of all inputs has reached ``us`` (microseconds); fire what waited for it."""
        return ()

    def on_timers(self, group: int, keys: pa.Array, at: pa.Array) -> Iterable[Out]:
        """Timers of ``keys`` in key group ``group`` are due."""
        return ()

    def on_wake(self) -> Iterable[Out]:
        """Something asynchronous finished (see ``OperatorContext.wake``)."""
        return ()

    def on_cut(self, cut: Cut) -> Iterable[Out]:
        """Flush what is held outside of keyed state."""
        return ()

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        """All channels of ``port`` have ended; called once per port."""
        return ()

    def close(self) -> None:
        """Release what ``open`` took; called once, also after a failure or a cancel."""
        return


@dataclass(frozen=True, slots=True)
class Committable:
    """Output that is complete but not yet visible. Plain data: it belongs to the job, not to the task.

    ``payload`` is JSON-able and says all that a ``Committer`` on any agent needs.
    """

    operator: str
    payload: Mapping[str, Any]


class SinkOperator(Operator, Protocol):
    """An operator that writes. ``process`` yields nothing."""

    def prepare(self, cut: int) -> list[Committable]:
        """Make everything received so far durable under a temporary name and hand over what would publish it.

        Called at each cut and after the last ``on_end``. May block on the file system.
        """
        ...


class Committer(Protocol):
    """Publishes or removes what sinks prepared: stateless, idempotent, on any agent. May block on I/O."""

    def commit(self, committables: Sequence[Committable]) -> None:
        """Make them visible; doing so twice changes nothing."""
        ...

    def keep(self, committables: Sequence[Committable]) -> str:
        """Save what a failed ``commit`` left from later runs, and say where it is; empty if there is nothing."""
        ...

    def abort(self, committables: Sequence[Committable]) -> None:
        """Remove every trace of them, and of unprepared temporary output of the same job run."""
        ...
