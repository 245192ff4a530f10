"""How many rows a call of a user's function gets: about 100 ms of work.

A task reads its mailbox, and passes cuts and watermarks on, between two calls only. So rows are given to a slow
function in slices. A call has a fixed cost as well (a model that is invoked, a request), which is why time divided by
rows says little about smaller calls: two calls of different sizes tell the two costs apart. A function whose fixed cost
is above the limit gets so many rows that their cost equals it. Smaller calls would not be much shorter, only more of
them.
"""

from __future__ import annotations

from dataclasses import dataclass

CALL_SECONDS = 0.1
"""What a call of a user's function should take at most."""

FIRST_ROWS = 128
"""Rows of the first call, about which nothing is known."""

GROWTH = 8
"""Factor by which calls grow at most, as a larger call may cost more than its share."""

CAREFUL_GROWTH = 2
"""Factor while larger calls seem to cost nothing, which is more often noise than the truth."""

DIFFERENT = 1.5
"""Factor between the rows of two calls that tell fixed cost and cost per row apart."""


@dataclass(frozen=True, slots=True)
class MeasuredCall:
    """The rows that a call got, and the seconds that it took."""

    rows: int
    seconds: float


def rows_per_call(last: MeasuredCall, other: MeasuredCall | None) -> int:
    """Return how many rows the next call may get, at least 1.

    ``other`` is an earlier call, None if there was none. If it had as many rows as ``last``, it says nothing.
    """
    per_row = last.seconds / last.rows
    if other is not None and other.rows != last.rows:
        slope = (last.seconds - other.seconds) / (last.rows - other.rows)
        if slope <= 0:
            return last.rows * CAREFUL_GROWTH
        per_row = min(per_row, slope)
    fixed = last.seconds - per_row * last.rows
    for_rows = max(CALL_SECONDS - fixed, fixed)
    most = last.rows * GROWTH
    return most if per_row * most <= for_rows else max(1, int(for_rows / per_row))


class CallSize:
    """The limit for the rows of the calls of one operator, by what they took."""

    def __init__(self) -> None:
        self.rows = FIRST_ROWS
        self._last: MeasuredCall | None = None
        self._other: MeasuredCall | None = None

    def note(self, rows: int, seconds: float) -> None:
        """Note that a call with ``rows`` took ``seconds``."""
        if rows < self.rows and seconds <= CALL_SECONDS:
            return  # there were no more rows: it says nothing about larger calls
        if self._last is not None and not 1 / DIFFERENT < rows / self._last.rows < DIFFERENT:
            self._other = self._last
        self._last = MeasuredCall(rows, seconds)
        self.rows = rows_per_call(self._last, self._other)
