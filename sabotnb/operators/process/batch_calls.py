"""Calls ``on_batch`` and ``on_timer`` of a process function with whole batches, sorted by key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sabotnb.blobs import user_error
from sabotnb.errors import UserFunctionError
from sabotnb.expr import batch_advice, python_rows, sample_of
from sabotnb.graph import MapBatches
from sabotnb.native import canonical, decoded_batch, rows_by_key
from sabotnb.operators.error_policy import returned_wrong
from sabotnb.operators.process.batch_handles import BatchCursor, BatchHandle
from sabotnb.operators.process.contexts import PROCESSING, BatchContext
from sabotnb.operators.process.emitted_rows import demand_side
from sabotnb.operators.process.keyed_process import HANDLES, declared_states
from sabotnb.operators.process.method_calls import CalledProcess
from sabotnb.operators.process.process_times import TimeZoneOfRows
from sabotnb.operators.result_conversion import WrongResult, results
from sabotnb.protocol import Out
from sabotnb.state import SlotTimers

TIMERS_AT_ONCE = 65_536
ON_BATCH = "on_batch gets a whole batch, not a row. For a method of one row define on_row(self, row, ctx)"


class BatchCalls:
    """Calls the methods of an instance with batches in which the rows of a key are together, in their order."""

    def __init__(self, called: CalledProcess, batch_rows: int) -> None:
        """Set the handles of the instance; results have at most ``batch_rows`` rows."""
        spec, process, state = called.spec, called.process, called.state
        self._spec, self._process, self._state = spec, process, state
        self._zone, self._clock, self._operator = called.zone, called.clock, called.operator
        self._batch_rows = batch_rows
        self._cursor = BatchCursor()
        process.__dict__[HANDLES] = {
            s.name: BatchHandle(s, state, self._cursor) for s in declared_states(type(process))
        }
        self._outputs: dict[str | None, MapBatches] = {
            side: MapBatches(spec.function, schema) for side, schema in ((None, spec.schema), *spec.sides)
        }
        self._sides: list[Out] = []
        self._ctx = BatchContext(called.timers(), called.clock, self._set_timers, self._emit)
        self._firing: np.ndarray | None = None
        self._fires_until = 0
        self._deferred: list[tuple[np.ndarray, np.ndarray]] = []

    def rows(self, batch: pa.RecordBatch, times: np.ndarray | None) -> Iterator[Out]:
        """Call ``on_batch`` for rows of port 0, whose event times are ``times``."""
        slots = self._state.slots([batch.column(key) for key in self._spec.keys])
        if not (slots[1:] >= slots[:-1]).all():
            order = rows_by_key(np.zeros(len(slots), np.uint16), slots.astype(np.uint32))
            batch, slots = batch.take(pa.array(order)), slots[order]
            times = None if times is None else times[order]
        starts = np.flatnonzero(np.append(True, slots[1:] != slots[:-1]))
        first = last = np.full(len(starts), self._clock())
        if times is not None and self._state.changed:  # only states that expire ask for them
            first, last = np.minimum.reduceat(times, starts), np.maximum.reduceat(times, starts)
        self._cursor.begin(slots[starts], first, last)
        self._ctx.keys = _plain(batch.select(list(self._spec.keys)).take(pa.array(starts)))
        self._ctx.starts = starts
        yield from self._made(self._process.on_batch, decoded_batch(batch))

    def side_rows(self, batch: pa.RecordBatch) -> Iterator[Out]:
        """Call ``on_side_row`` for rows of port 1."""
        self._cursor.begin(None, self._cursor.first, self._cursor.last)
        on_side_row: Any = self._process.on_side_row
        for row in python_rows(batch):
            try:
                returned = on_side_row(row, self._ctx)
            except Exception as error:
                raise user_error(self._spec.function, error, sample_of(batch), self._operator) from error
            if returned is not None:
                problem = "yields from on_side_row, which only changes attributes; yield in on_batch"
                raise returned_wrong(self._spec.function, problem, sample_of(batch), self._operator)
        yield from self._taken_sides()

    def fire(self, timers: SlotTimers, until: int, time: str, *, last: bool) -> Iterator[Out]:
        """Call ``on_timer`` for the timers up to ``until``; those of one key in the order of time.

        Timers that are set meanwhile are treated as those of ``RowCalls.fire``.
        """
        self._deferred = []
        self._fires_until = -(2**63) if last else until
        while len((due := timers.take_due(until, TIMERS_AT_ONCE))[0]):
            at, slots = due
            _, rounds = np.unique(slots, return_index=True)  # the first of each key, as they are in the order of time
            rest = np.ones(len(at), np.bool_)
            rest[rounds] = False
            timers.add(at[rest], slots[rest])
            yield from self._fire(at[rounds], slots[rounds], time)
        for at, slots in self._deferred:
            timers.add(at, slots)

    def _fire(self, at: np.ndarray, slots: np.ndarray, time: str) -> Iterator[Out]:
        now = at if self._spec.time is not None and time != PROCESSING else np.full(len(at), self._clock())
        self._cursor.begin(slots, now, now)
        self._ctx.keys = pa.RecordBatch.from_arrays(self._state.keys(slots), names=list(self._spec.keys))
        self._ctx.starts = np.arange(len(slots))
        zone = self._zone if time != PROCESSING else TimeZoneOfRows(None)
        self._firing, self._time = at, time
        yield from self._made(self._process.on_timer, pa.array(at).cast(zone.type))
        self._firing = None

    def _set_timers(self, numbers: np.ndarray, at: np.ndarray, time: str) -> None:
        assert self._cursor.slots is not None
        slots = self._cursor.slots[numbers]
        timers = self._state.alarms if time == PROCESSING else self._state.timers
        if self._firing is None or time != self._time:
            timers.add(at, slots)
            return
        later = (at <= self._firing[numbers]) | (at > self._fires_until)
        self._deferred.append((at[later], slots[later]))
        timers.add(at[~later], slots[~later])

    def _made(self, method: Any, argument: Any) -> Iterator[Out]:
        sample = sample_of(argument if isinstance(argument, pa.RecordBatch) else self._ctx.keys)
        function = self._spec.function
        try:
            returned = method(argument, self._ctx)
            if returned is not None:
                yield from results(returned, self._outputs[None], self._batch_rows)
            yield from self._taken_sides()
        except UserFunctionError:
            raise
        except WrongResult as wrong:
            raise returned_wrong(function, str(wrong), sample, self._operator) from wrong
        except Exception as error:
            advice = batch_advice(error, getattr(argument, "schema", self._ctx.keys.schema).names, ON_BATCH)
            raise user_error(function, error, sample, self._operator, advice) from error

    def _emit(self, side: str, batch: Any) -> None:
        demand_side(side, {name: spec.schema for name, spec in self._outputs.items()})
        self._sides += [(side, rows) for rows in results(batch, self._outputs[side], self._batch_rows)]

    def _taken_sides(self) -> Sequence[Out]:
        taken, self._sides = self._sides, []
        return taken


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [canonical.decoded(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
