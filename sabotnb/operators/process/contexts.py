"""What the methods of a process function get as ``ctx``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from sabotnb.errors import InvalidUse
from sabotnb.expr import Misfit, exact_column
from sabotnb.foreign import Hinted
from sabotnb.operators.process.process_times import TimeZoneOfRows, instant

EVENT, PROCESSING = "event", "processing"


class TimerSink:
    """Checks timers that a function sets, and passes them on as microseconds."""

    def __init__(self, *, name: str, has_event_time: bool, fires: bool) -> None:
        self._name = name
        self._has_event_time = has_event_time
        self._fires = fires

    def check(self, time: str) -> None:
        """Raise InvalidUse for a timer that cannot fire."""
        if not self._fires:
            raise InvalidUse(f"{self._name} sets a timer, which nothing answers; define on_timer(self, at, ctx)")
        if time not in (EVENT, PROCESSING):
            raise InvalidUse(f"time={time!r}: write 'event' or 'processing'")
        if time == EVENT and not self._has_event_time:
            raise InvalidUse(
                "timers go by event time, and the stream has none: write .with_event_time('column') "
                "behind the last map before it, or write ctx.timer(at, time='processing')"
            )


class RowContext(Hinted):
    """The key and the time of a row or timer; sets timers, and emits rows of side outputs."""

    def __init__(
        self,
        timers: TimerSink,
        zone: TimeZoneOfRows,
        clock: Callable[[], int],
        set_timer: Callable[[int, str], None],
        emit: Callable[[str, Any], None],
    ) -> None:
        """``set_timer`` and ``emit`` take what the function passes to the methods of that name, as microseconds."""
        self._timers = timers
        self._zone = zone
        self._clock = clock
        self._set_timer = set_timer
        self._emit = emit
        self.us: int | None = None
        self.key: Any = None
        """The value of the key column; a tuple if there are several."""

    @property
    def event_time(self) -> datetime | None:
        """The event time of the row or timer; None without event time."""
        return None if self.us is None else self._zone.time(self.us)

    @property
    def now(self) -> datetime:
        """The processing time."""
        return TimeZoneOfRows(None).time(self._clock())

    def timer(self, at: Any, time: str = EVENT) -> None:
        """Call ``on_timer`` for this key at ``at``: a time, or a duration from the time of the row or timer on.

        A timer of event time fires when no row before it will come, in the order of time; one of the past at the next
        watermark. ``time="processing"`` goes by the clock, and a duration counts from now. A timer that is set twice
        for one time fires once. When bounded input ends, all timers fire; those that are set then do not.
        """
        self._timers.check(time)
        base = self._clock() if time == PROCESSING or self.us is None else self.us
        self._set_timer(instant(at, base), time)

    def emit(self, side: str, row: Any) -> None:
        """Send a row to a side output that ``sides`` declares; with ``on_batch`` a record batch."""
        self._emit(side, row)


class BatchContext(Hinted):
    """The keys of a batch; sets timers, and emits batches of side outputs."""

    def __init__(
        self,
        timers: TimerSink,
        clock: Callable[[], int],
        set_timers: Callable[[np.ndarray, np.ndarray, str], None],
        emit: Callable[[str, Any], None],
    ) -> None:
        """``set_timers`` takes numbers of keys and times in microseconds."""
        self._timers = timers
        self._clock = clock
        self._set_timers = set_timers
        self._emit = emit
        self.keys: pa.RecordBatch = pa.RecordBatch.from_arrays([], names=[])
        """The distinct keys, in the order of the rows."""
        self.starts = np.zeros(0, np.int64)
        """The number of the first row of each key, as ``np.add.reduceat`` takes it."""

    @property
    def now(self) -> datetime:
        """The processing time."""
        return TimeZoneOfRows(None).time(self._clock())

    def timer(self, at: Any, time: str = EVENT) -> None:
        """Set a timer for each key: an array with one time for each, null for none. See ``RowContext.timer``."""
        self._timers.check(time)
        try:
            times = exact_column(at, pa.timestamp("us", getattr(getattr(at, "type", None), "tz", None)))
        except Misfit as misfit:
            raise InvalidUse(f"ctx.timer takes an array of times, not {misfit.what}; pass one for each key") from misfit
        demand_one_per_key(times, self.keys.num_rows, "ctx.timer")
        chosen = np.flatnonzero(np.asarray(times.is_valid()))
        self._set_timers(chosen, times.cast(pa.int64()).drop_null().to_numpy(), time)

    def emit(self, side: str, batch: Any) -> None:
        """Send a record batch to a side output that ``sides`` declares."""
        self._emit(side, batch)


def demand_one_per_key(values: pa.Array, keys: int, what: str) -> None:
    """Raise InvalidUse for an array that has not one value for each key."""
    if len(values) != keys:
        raise InvalidUse(f"{what} got {len(values)} values for {keys} keys; pass one for each row of ctx.keys")
