"""The cuts that a task was told to take, and has not taken."""

from __future__ import annotations

from collections import deque

from sabotnb.protocol import Cut

NO_CUT = 0
"""Cuts of a run count from 1."""


class CommandedCuts:
    """Cuts in order of their ids; one that is told again, or late, is ignored."""

    def __init__(self) -> None:
        self._cuts: deque[tuple[Cut, bool]] = deque()
        self._last = NO_CUT
        self._taking = False

    def add(self, cut: Cut, *, hold: bool) -> None:
        """Add a cut, with ``hold`` one after which the task reads nothing."""
        if cut.id > self._last:
            self._last = cut.id
            self._cuts.append((cut, hold))

    def __bool__(self) -> bool:
        return bool(self._cuts)

    @property
    def in_progress(self) -> bool:
        """True while there is a cut, or one is being taken."""
        return self._taking or bool(self._cuts)

    def take(self) -> tuple[Cut, bool] | None:
        """Remove and return the first cut; None if there is none. It is being taken until ``note_taken``."""
        self._taking = bool(self._cuts)
        return self._cuts.popleft() if self._cuts else None

    def release(self) -> None:
        """Let the task read on after each of them."""
        self._cuts = deque((cut, False) for cut, _ in self._cuts)

    def note_taken(self) -> None:
        """The task has frozen at the cut."""
        self._taking = False

    def note_delivered(self, cut: Cut) -> None:
        """Drop the cuts up to ``cut``, which the channels have delivered."""
        self._last = max(self._last, cut.id)
        while self._cuts and self._cuts[0][0].id <= cut.id:
            self._cuts.popleft()

    def clear(self) -> None:
        """Take none of them."""
        self._cuts.clear()
