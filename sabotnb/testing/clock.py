"""A clock that a test advances by hand."""

from __future__ import annotations

from datetime import timedelta


class ManualClock:
    """A clock in seconds, for every parameter ``clock``: calling it returns the time, ``advance`` changes it."""

    def __init__(self, now: float = 0.0) -> None:
        self._now = now

    def __call__(self) -> float:
        return self._now

    def advance(self, by: float | timedelta) -> float:
        """Move the clock by ``by`` (seconds or a timedelta) and return the new time; ValueError if that is negative."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        if seconds < 0:
            raise ValueError(f"a clock cannot go back: advance({by!r}); pass 0 or more")
        self._now += seconds
        return self._now
