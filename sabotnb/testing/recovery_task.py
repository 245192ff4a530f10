"""One task of an operator under test, which can be cut, and a new one that is restored from such cuts.

Theory of operation
-------------------
A ``CutTask`` makes the calls that a task of a run makes, in one thread, and collects what the operator returns. Its
clock is moved by the script only; an alarm of ``wake_in`` is answered when the clock has reached it.

``cut`` does what the chain of a task does: ``on_cut``, then a freeze of every state, then ``memo``. Among the results
of a port's end the operator is frozen where it is if it is ``divisible``; else the rest of its results is computed
first, and sent by the restored task. A ``TaskCut`` may
be exported by another thread while the old task goes on. What is exported passes through Arrow's stream format, and the
memo through JSON, as both do in a real checkpoint.

``restore`` makes a new operator, loads the key groups that the new task owns, and calls ``restored``. The watermark in
front of the operator is the smallest of those at the cut; a task calls ``on_watermark`` only if it rises from there.
"""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sabotnb.config import Config
from sabotnb.protocol import (
    MIN_WATERMARK,
    Cut,
    CutKind,
    EndReason,
    Frozen,
    KeyedState,
    Operator,
    OperatorContext,
    Out,
    RunId,
    Scope,
    StateSpec,
)
from sabotnb.testing.clock import ManualClock

MAIN = ""
"""The tag of the main output."""

Exported = Mapping[StateSpec, Mapping[int, Sequence[bytes]]]
"""The batches of each key group of each state, each as an Arrow stream."""


@dataclass(frozen=True, slots=True)
class TaskCut:
    """What a task acknowledges a cut with: frozen states, the memo, the watermarks around it and the time on its clock.

    ``ended`` are the ports that had ended, ``unsent`` the results that the cut found computed and not sent.
    """

    states: Mapping[StateSpec, tuple[Sequence[int], Frozen]]
    memo: Mapping[str, Any]
    event_time: int
    released: int
    now: float
    ended: Mapping[int, EndReason]
    unsent: Sequence[Out] = ()

    def export(self) -> Exported:
        """Export all states; may be called in any thread."""
        return {
            spec: {group: [_sent(batch) for batch in frozen.export(group)] for group in groups}
            for spec, (groups, frozen) in self.states.items()
        }


class CutTask:
    """Runs one operator as task ``index`` of ``parallelism``."""

    def __init__(
        self,
        make: Callable[[Callable[[], int]], Operator],
        index: int = 0,
        parallelism: int = 1,
        groups: int = 8,
        config: Config | None = None,
        now: float = 0.0,
    ) -> None:
        """``make`` gets the clock of the task, in microseconds, and returns the operator, which is opened."""
        self.clock = ManualClock(now)
        self.output: dict[str, list[dict[str, Any]]] = {}
        """The rows that the operator has returned, in order, by side output or ``MAIN``."""
        self.event_time = self.released = MIN_WATERMARK
        self.ended: dict[int, EndReason] = {}
        self.wakes = 0
        self._alarms: list[float] = []
        self._results: Iterator[Out] | None = None  # the rest of those of a port's end
        self._unsent: list[Out] = []
        self.operator = make(lambda: round(self.clock() * 1e6))
        self.context = OperatorContext(
            RunId("recovery", 1),
            "operator_0",
            index,
            parallelism,
            groups,
            config or Config(),
            wake=self._wake,
            ends=True,
            wake_in=lambda seconds: heapq.heappush(self._alarms, self.clock() + seconds),
        )
        self.operator.open(self.context)

    @property
    def states(self) -> Mapping[StateSpec, KeyedState]:
        """The states of the operator."""
        return self.context.states

    def push(self, port: int, batch: pa.RecordBatch) -> None:
        """Process a batch."""
        if batch.num_rows:
            self._collect(self.operator.process(port, batch))

    def advance(self, us: int) -> None:
        """Raise the event time of the input to ``us``."""
        if us > self.event_time:
            self.event_time = us
            self._collect(self.operator.on_watermark(us))
            self._release()

    def wait(self, seconds: float) -> None:
        """Let processing time pass, and answer the alarms that are due in it."""
        until = self.clock() + seconds
        while self._alarms and self._alarms[0] <= until:
            self.clock.advance(max(0.0, heapq.heappop(self._alarms) - self.clock()))
            self.wake()
        self.clock.advance(max(0.0, until - self.clock()))

    def wake(self) -> None:
        """Answer a wake-up."""
        self._collect(self.operator.on_wake())
        self._release()

    def end(self, port: int, reason: EndReason) -> None:
        """End a port."""
        self.ended[port] = reason
        self._collect(self.operator.on_end(port, reason))
        self._release()

    def begin_end(self, port: int, reason: EndReason, results: int) -> None:
        """End a port, and stop behind so many of its results: there a cut comes. ``finish_end`` goes on."""
        self.ended[port] = reason
        self._results = iter(self.operator.on_end(port, reason))
        self._collect(itertools.islice(self._results, results))
        if not self.operator.divisible():
            self._unsent.extend(self._results)

    def finish_end(self) -> None:
        """Return the rest of the results of a port's end, if one was begun."""
        if self._results is not None:
            self._collect(itertools.chain(self._unsent, self._results))
            self._results, self._unsent = None, []
            self._release()

    def cut(self, number: int = 1) -> TaskCut:
        """Take a cut; the task may go on afterwards."""
        cut = Cut(number, CutKind.CHECKPOINT, self.context.epoch, self.event_time)
        if self._results is None:
            self._collect(self.operator.on_cut(cut))
        else:
            self._unsent.extend(self.operator.on_cut(cut))
        frozen = {spec: (groups := [*state.groups()], state.freeze(groups)) for spec, state in self.states.items()}
        memo = json.loads(json.dumps(dict(self.operator.memo())))
        return TaskCut(
            frozen, memo, self.event_time, self.released, self.clock(), dict(self.ended), tuple(self._unsent)
        )

    def restore(self, cuts: Sequence[TaskCut], exported: Sequence[Exported], *, rescaled: bool) -> None:
        """Load what belongs to this task from the exported states of ``cuts``, and call ``restored``."""
        share = (self.context.index, self.context.parallelism) if rescaled else (0, 1)
        for spec, state in self.states.items():
            for states in _sources(spec, exported, share):
                for group, batches in states[spec].items():
                    if batches and (spec.scope is not Scope.KEYED or self.owns(group)):
                        state.load(group, map(_received, batches))
        for cut in cuts[share[0] :: share[1]]:
            self._collect(cut.unsent)
        self.operator.restored([cut.memo for cut in cuts])
        self.event_time = min(cut.event_time for cut in cuts)
        self.released = min(cut.released for cut in cuts)

    def owns(self, group: int) -> bool:
        """True if the rows of a key group come to this task."""
        return group * self.context.parallelism // self.context.groups == self.context.index

    def _collect(self, outs: Iterable[Out]) -> None:
        for out in outs:
            tag, batch = out if isinstance(out, tuple) else (MAIN, out)
            self.output.setdefault(tag, []).extend(batch.to_pylist())

    def _release(self) -> None:
        if self.event_time > MIN_WATERMARK:
            self.released = max(self.released, min(self.event_time, self.operator.output_watermark(self.event_time)))

    def _wake(self) -> None:
        self.wakes += 1


def _sources(spec: StateSpec, exported: Sequence[Exported], share: tuple[int, int]) -> Sequence[Exported]:
    """The tasks from which a state is loaded by the first of ``share``, an index and a parallelism."""
    index, parallelism = share
    match spec.scope:
        case Scope.BROADCAST:
            return [exported[index % len(exported)]]
        case Scope.TASK:
            return exported[index::parallelism]
        case _:
            return exported


def _sent(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _received(data: bytes) -> pa.RecordBatch:
    return pa.ipc.open_stream(data).read_next_batch()
