"""Sources whose polls a test counts and holds."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sabotnb.eventtime import DelayedRows, Times
from sabotnb.protocol import Finished, Polled, Position, Reader, Source, Split


class Meter:
    """How many polls the sources of a run may make: none before ``admit``. ``used_up_now`` is called with the last."""

    def __init__(self, used_up_now: Callable[[], None]) -> None:
        self._used_up_now = used_up_now
        self._lock = threading.Lock()
        self._polls = 0
        self._limit: int | None = 0

    def admit(self, polls: int | None) -> None:
        """Let ``polls`` polls happen, counted from the start; None for any number."""
        with self._lock:
            self._limit = polls

    @property
    def used_up(self) -> bool:
        """True if all polls that were admitted have begun."""
        with self._lock:
            return self._limit is not None and self._polls >= self._limit

    def count(self) -> bool:
        """Count a poll; False if it must not happen."""
        with self._lock:
            if self._limit is None:
                return True
            if self._polls >= self._limit:
                return False
            self._polls += 1
            last = self._polls == self._limit
        if last:
            self._used_up_now()
        return True


class MeteredSource(Source):
    """A source whose polls ``meter`` counts; one that is held returns no rows."""

    def __init__(self, source: Source, meter: Meter) -> None:
        self._source = source
        self._meter = meter

    def splits(self) -> list[Split]:
        return self._source.splits()

    def open(self, split: Split) -> Reader:
        return _MeteredReader(self._source.open(split), self._meter)

    def on_warning(self, tell: Callable[[str, str], None]) -> None:
        self._source.on_warning(tell)


class _MeteredReader(Reader):
    def __init__(self, reader: Reader, meter: Meter) -> None:
        self._reader = reader
        self._meter = meter

    def poll(self, max_rows: int) -> Polled | Finished | None:
        return self._reader.poll(max_rows) if self._meter.count() else None

    def watermark(self) -> int:
        return self._reader.watermark()

    def raise_floor(self, us: int) -> None:
        self._reader.raise_floor(us)

    def advance_clock(self, times: Times) -> DelayedRows | None:
        return self._reader.advance_clock(times)

    def processed(self, position: Position) -> Position:
        return self._reader.processed(position)

    def due(self) -> float | None:
        return None

    def close(self) -> None:
        self._reader.close()
