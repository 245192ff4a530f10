"""The operator of ``process``: calls a class of the user with the rows and timers of each key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from sabotnb.blobs import user_error
from sabotnb.eventtime import microseconds, wall_clock, without_clock
from sabotnb.graph import LATE, Process, side_schema
from sabotnb.operators.late_rows import TimedBatch, divided, with_late_by, without_clocks
from sabotnb.operators.memos import Memos, watermark_of
from sabotnb.operators.process.batch_calls import BatchCalls
from sabotnb.operators.process.contexts import EVENT, PROCESSING
from sabotnb.operators.process.keyed_process import KeyedProcess, declared_states
from sabotnb.operators.process.method_calls import CalledProcess
from sabotnb.operators.process.process_times import TimeZoneOfRows
from sabotnb.operators.process.row_calls import RowCalls
from sabotnb.operators.process.side_attributes import SideAttributes
from sabotnb.protocol import (
    MAX_WATERMARK,
    MIN_WATERMARK,
    Delayed,
    EndReason,
    Operator,
    OperatorContext,
    Out,
    Scope,
    StateSpec,
)
from sabotnb.state import LATEST, ProcessState, SlotTimers, optional_fields


class ProcessOperator(Operator):
    """Calls one instance of the class; ``clock`` returns microseconds, for processing time.

    A row is late if it is behind its clock, or behind a watermark at which timers have fired.
    """

    delayed = Delayed.TAKE
    calls_function = True

    def __init__(self, spec: Process, inputs: Sequence[pa.Schema], clock: Callable[[], int] = wall_clock) -> None:
        self._spec = spec
        self._input = inputs[0]
        self._clock = clock
        self._late_schema = side_schema(spec, LATE, inputs) if spec.time is not None else None
        self._watermark = MIN_WATERMARK
        self._latest = MIN_WATERMARK
        self._next_wake = LATEST

    def open(self, ctx: OperatorContext) -> None:
        self._ctx = ctx
        spec = self._spec
        cls: Any = spec.function.load()
        try:
            process: KeyedProcess = cls()
        except Exception as error:
            raise user_error(spec.function, error, operator=ctx.operator) from error
        keys = pa.schema([self._input.field(key) for key in spec.keys])
        declared = [state.column() for state in declared_states(cls)]
        spec_of_state = StateSpec("process", optional=optional_fields(declared))
        self._state = ctx.keyed(spec_of_state, ProcessState(keys, declared, ctx.groups))
        if spec.side_input:
            ctx.keyed(StateSpec("side", Scope.BROADCAST), SideAttributes(process))
        zone = TimeZoneOfRows(None if spec.time is None else self._input.field(spec.time).type)
        self._fires = cls.on_timer is not None
        called = CalledProcess(spec, process, self._state, zone, self._clock, ctx.operator)
        self._calls: RowCalls | BatchCalls = (
            RowCalls(called) if cls.on_batch is None else BatchCalls(called, ctx.config.batch_rows)
        )

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        if port == 1:
            return self._calls.side_rows(without_clock(batch))
        if self._spec.time is None:
            return self._by_processing_time(without_clock(batch))
        return self._by_event_time(batch)

    def on_watermark(self, us: int) -> Iterable[Out]:
        if self._spec.time is None or us <= self._watermark:
            return ()
        return self._complete() if us == MAX_WATERMARK else self._advance(us)

    def on_wake(self) -> Iterator[Out]:
        self._next_wake = LATEST
        now = self._clock()
        yield from self._calls.fire(self._state.alarms, now, PROCESSING, last=False)
        if self._spec.time is None:
            self._tidy(now)
        self._wake_for_alarms()

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        if port == 1 or reason is not EndReason.EXHAUSTED:
            return ()
        return self._complete()

    def memo(self) -> Mapping[str, Any]:
        return {"watermark": self._watermark, "latest": self._latest}

    def restored(self, memos: Memos) -> None:
        self._watermark = watermark_of(memos)
        self._latest = max((memo["latest"] for memo in memos), default=MIN_WATERMARK)
        self._state.date(self._clock() if self._spec.time is None else max(self._watermark, self._latest))
        self._wake_for_alarms()

    def _by_event_time(self, batch: pa.RecordBatch) -> Iterator[Out]:
        assert self._spec.time is not None
        batch, behind = without_clocks(batch, self._watermark)
        times = microseconds(batch.column(self._spec.time)) + self._spec.shift
        (batch, times), late = divided(TimedBatch(batch, times), times < behind, behind - times)
        if late is not None:
            self._ctx.counters.count_late(self._ctx.operator, late.batch.num_rows)
            yield LATE, with_late_by(late, self._late_schema)
        if len(times):
            self._latest = max(self._latest, int(times.max()))
            yield from self._calls.rows(batch, times)
            self._wake_for_alarms()

    def _by_processing_time(self, batch: pa.RecordBatch) -> Iterator[Out]:
        self._tidy(self._clock())
        yield from self._calls.rows(batch, None)
        self._wake_for_alarms()

    def _advance(self, us: int) -> Iterator[Out]:
        self._watermark = max(us, self._watermark)
        yield from self._calls.fire(self._state.timers, self._watermark, EVENT, last=False)
        self._tidy(self._watermark)
        self._wake_for_alarms()

    def _complete(self) -> Iterator[Out]:
        """Fire all timers, as the input has ended: first as far as its rows went, then those that are left.

        A timer that sets the next one, and so on, would fire forever: those that are set in the second step do not.
        """
        if self._watermark == MAX_WATERMARK:
            return
        for timers, kind in ((self._state.timers, EVENT), (self._state.alarms, PROCESSING)):
            yield from self._complete_of(timers, kind)
        self._watermark = MAX_WATERMARK

    def _complete_of(self, timers: SlotTimers, kind: str) -> Iterator[Out]:
        if self._fires:
            until = self._latest if kind == EVENT else self._clock()
            yield from self._calls.fire(timers, until, kind, last=False)
            yield from self._calls.fire(timers, LATEST, kind, last=True)

    def _tidy(self, us: int) -> None:
        self._state.expire(us)
        self._state.compact()

    def _wake_for_alarms(self) -> None:
        first = self._state.alarms.first
        if first < self._next_wake:
            self._next_wake = first
            self._ctx.wake_in(max(0.0, (first - self._clock()) / 1e6))
