"""Calls ``on_row``, ``on_timer`` and ``on_side_row`` of a process function, row by row."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sabotnb.blobs import user_error
from sabotnb.errors import UserFunctionError
from sabotnb.expr import python_rows, row_advice, text_table
from sabotnb.operators.error_policy import returned_wrong
from sabotnb.operators.process.contexts import PROCESSING, RowContext
from sabotnb.operators.process.emitted_rows import SLICE_ROWS, EmittedRows, Row, WrongRow
from sabotnb.operators.process.keyed_process import HANDLES, declared_states
from sabotnb.operators.process.method_calls import CalledProcess
from sabotnb.operators.process.process_times import TimeZoneOfRows
from sabotnb.operators.process.row_handles import KeyCursor, RowHandle, WrongState, row_handle
from sabotnb.operators.result_conversion import WrongResult
from sabotnb.operators.row_results import dicts
from sabotnb.protocol import Out
from sabotnb.state import SlotTimers


class RowCalls:
    """Calls the methods of an instance for single rows and timers."""

    def __init__(self, called: CalledProcess) -> None:
        """Set the handles of the instance."""
        spec, process, state = called.spec, called.process, called.state
        self._spec, self._process, self._state = spec, process, state
        self._zone, self._clock, self._operator = called.zone, called.clock, called.operator
        self._cursor = KeyCursor()
        states = declared_states(type(process))
        self._handles: dict[str, RowHandle] = {s.name: row_handle(s, state, self._cursor) for s in states}
        process.__dict__[HANDLES] = self._handles
        self._emitted = EmittedRows(spec)
        self._ctx = RowContext(called.timers(), called.zone, called.clock, self._set_timer, self._emitted.emit)
        self._firing: list[tuple[int, int]] | None = None
        self._fires_until = 0
        self._deferred: list[tuple[int, int]] = []

    def rows(self, batch: pa.RecordBatch, times: np.ndarray | None) -> Iterator[Out]:
        """Call ``on_row`` for rows of port 0, whose event times are ``times``."""
        on_row: Any = self._process.on_row
        for start in range(0, batch.num_rows, SLICE_ROWS):
            piece = batch.slice(start, SLICE_ROWS)
            slots = self._state.slots([piece.column(key) for key in self._spec.keys])
            distinct, firsts, numbers = np.unique(slots, return_index=True, return_inverse=True)
            rows = python_rows(piece)
            at = None if times is None else times[start : start + SLICE_ROWS].tolist()
            self._begin(distinct)
            for position, (row, number) in enumerate(zip(rows, numbers.tolist(), strict=True)):
                self._place(number, None if at is None else at[position])
                self._ctx.key = self._key_of([row[key] for key in self._spec.keys])
                yield from self._made(on_row, (row, self._ctx), row)
            yield from self._end([rows[first] for first in firsts.tolist()])

    def side_rows(self, batch: pa.RecordBatch) -> Iterator[Out]:
        """Call ``on_side_row`` for rows of port 1."""
        on_side_row: Any = self._process.on_side_row
        self._begin(np.zeros(0, np.int64))
        self._ctx.key, self._ctx.us = None, None
        for row in python_rows(batch):
            for _ in self._made(on_side_row, (row, self._ctx), row):
                raise self._wrong("yields from on_side_row, which only changes attributes; yield in on_row", row)
        yield from self._taken()

    def fire(self, timers: SlotTimers, until: int, time: str, *, last: bool) -> Iterator[Out]:
        """Call ``on_timer`` for the timers up to ``until``, in the order of time.

        Timers that are set meanwhile fire too if they are later than the one that sets them, but not at the ``last``
        call, after the end of the input.
        """
        self._deferred = []
        self._fires_until = -(2**63) if last else until
        while len((due := timers.take_due(until, SLICE_ROWS))[0]):
            yield from self._fire(*due, timers, time)
        if self._deferred:
            at, slots = zip(*self._deferred, strict=True)
            timers.add(np.array(at, np.int64), np.array(slots, np.int64))

    def _fire(self, at: np.ndarray, slots: np.ndarray, timers: SlotTimers, time: str) -> Iterator[Out]:
        on_timer: Any = self._process.on_timer
        distinct, numbers = np.unique(slots, return_inverse=True)
        keys = [column.to_pylist() for column in self._state.keys(distinct)]
        zone = self._zone if time != PROCESSING else TimeZoneOfRows(None)
        due = list(zip(at.tolist(), numbers.tolist(), strict=True))
        latest = int(at[-1])
        self._begin(distinct)
        added: list[tuple[int, int]] = []
        self._firing = due
        while due:
            us, number = heapq.heappop(due)
            self._place(number, us if time != PROCESSING else None)
            self._ctx.key = self._key_of([column[number] for column in keys])
            shown = {
                **dict(zip(self._spec.keys, [column[number] for column in keys], strict=True)),
                "at": zone.time(us),
            }
            self._now_firing, self._latest, self._added, self._time = us, latest, added, time
            yield from self._made(on_timer, (shown["at"], self._ctx), shown)
        self._firing = None
        if added:
            timers.add(np.array([us for us, _ in added]), np.array([slot for _, slot in added]))
        names = self._spec.keys
        yield from self._end([dict(zip(names, key, strict=True)) for key in zip(*keys, strict=True)])

    def _set_timer(self, us: int, time: str) -> None:
        slot = int(self._cursor.slots[self._cursor.demand_key("a timer")])
        if self._firing is None or time != self._time:
            timers = self._state.alarms if time == PROCESSING else self._state.timers
            timers.add(np.array([us]), np.array([slot]))
        elif us <= self._now_firing or us > self._fires_until:
            self._deferred.append((us, slot))
        elif us <= self._latest:
            item = (us, self._cursor.number)
            if item not in self._firing:
                heapq.heappush(self._firing, item)
        else:
            self._added.append((us, slot))

    def _made(self, method: Callable[..., Any], arguments: tuple[Any, ...], sample: Row) -> Iterator[Out]:
        """Call a method, and yield batches as soon as they are full."""
        self._emitted.source = sample
        try:
            for row in dicts(method(*arguments)):
                self._emitted.add(row)
                if self._emitted.full:
                    yield from self._taken()
        except UserFunctionError:
            raise
        except WrongResult as wrong:
            raise self._wrong(str(wrong), wrong.source if isinstance(wrong, WrongRow) else sample) from wrong
        except Exception as error:
            advice = row_advice(error, list(sample))
            raise user_error(self._spec.function, error, _text(sample), self._operator, advice) from error
        if self._emitted.full:  # of side outputs
            yield from self._taken()

    def _begin(self, slots: np.ndarray) -> None:
        self._cursor.begin(slots)
        for handle in self._handles.values():
            handle.begin()

    def _place(self, number: int, us: int | None) -> None:
        self._cursor.number = number
        self._cursor.now = us if us is not None and self._spec.time is not None else self._clock()
        self._ctx.us = us

    def _end(self, samples: Sequence[Row]) -> Iterator[Out]:
        """Write the states of a slice, and yield what is left of its rows; ``samples`` has a row of each key."""
        for handle in self._handles.values():
            try:
                handle.flush()
            except WrongState as wrong:
                raise self._wrong(str(wrong), samples[wrong.number]) from wrong
        self._cursor.number = -1
        yield from self._taken()

    def _taken(self) -> Iterable[Out]:
        try:
            return list(self._emitted.take())
        except WrongRow as wrong:
            raise self._wrong(str(wrong), wrong.source) from wrong

    def _key_of(self, values: Sequence[Any]) -> Any:
        return values[0] if len(values) == 1 else tuple(values)

    def _wrong(self, problem: str, sample: Row) -> UserFunctionError:
        return returned_wrong(self._spec.function, problem, _text(sample), self._operator)


def _text(row: Row) -> str:
    return text_table(list(row), [row]) if row else ""
