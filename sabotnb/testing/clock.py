"""Time that passes when a test says so."""

from __future__ import annotations

from datetime import timedelta


class ManualClock:
    """A clock in seconds, for everything that takes a ``clock``: ``clock()`` is now, ``advance`` moves on."""

    def __init__(self, now: float = 0.0) -> None:
        self._now = now

    def __call__(self) -> float:
        return self._now

    def advance(self, by: float | timedelta) -> float:
        """Let ``by`` (seconds or a timedelta) pass; gives the new time. ValueError if it would go back."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        if seconds < 0:
            raise ValueError(f"a clock does not go back: {by}")
        self._now += seconds
        return self._now
