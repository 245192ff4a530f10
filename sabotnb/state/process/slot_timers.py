"""Timers by slot, taken in the order of time.

Theory of operation. New timers are collected and become a sorted *run* when timers are taken. Runs are merged when
there are many, so that each timer is sorted a few times. A timer that is set twice for one slot and time is taken once:
equal times are always taken together, and duplicates are removed then. Runs never change in place, so a freeze
shares them and sorts nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MOST_RUNS = 8

LATEST = 2**63 - 1
"""No timer is later."""

TimerRun = tuple[np.ndarray, np.ndarray]
"""Times (int64 microseconds), ascending, and the slots that they belong to."""

NO_TIMERS: TimerRun = (np.zeros(0, np.int64), np.zeros(0, np.int64))


class SlotTimers:
    """Times at which something is due for a slot."""

    def __init__(self) -> None:
        self._runs: list[TimerRun] = []
        self._new: list[TimerRun] = []
        self._first = LATEST

    def __len__(self) -> int:
        return sum(len(at) for at, _ in (*self._runs, *self._new))

    @property
    def first(self) -> int:
        """The earliest time; LATEST if there is none."""
        return self._first

    def add(self, at: np.ndarray, slots: np.ndarray) -> None:
        """Set timers."""
        if len(at):
            self._new.append((np.asarray(at, np.int64), np.asarray(slots, np.int64)))
            self._first = min(self._first, int(at.min()))

    def take_due(self, us: int, limit: int) -> TimerRun:
        """Remove and return the earliest timers up to ``us``: ``limit`` or few more; all of one time together."""
        if us < self._first or not len(self):
            return NO_TIMERS
        self._sort()
        due = [int(np.searchsorted(at, us, side="right")) for at, _ in self._runs]
        earliest = np.sort(np.concatenate([at[: min(count, limit)] for count, (at, _) in self._chosen(due)]))
        last = int(earliest[min(limit, len(earliest)) - 1])
        taken = [int(np.searchsorted(at, last, side="right")) for at, _ in self._runs]
        parts = [(at[:count], slots[:count]) for count, (at, slots) in self._chosen(taken)]
        self._runs = [(at[count:], slots[count:]) for count, (at, slots) in self._chosen(taken)]
        self._runs = [run for run in self._runs if len(run[0])]
        self._first = min((int(at[0]) for at, _ in self._runs), default=LATEST)
        return _distinct(*_joined(parts))

    def freeze(self) -> tuple[TimerRun, ...]:
        """All timers, in no order and some of them twice; the arrays never change."""
        return (*self._runs, *self._new)

    def all(self) -> TimerRun:
        """All timers, in no order; the arrays must not be changed."""
        self._sort()
        return _joined(self._runs)

    def renumber(self, numbers: np.ndarray) -> None:
        """Give every slot its number in ``numbers``; timers of a slot with number -1 are removed."""
        at, slots = self.all()
        kept = numbers[slots] >= 0
        at, slots = at[kept], numbers[slots[kept]]
        self._runs = [(at, slots)] if len(at) else []
        self._runs = [_sorted(run) for run in self._runs]
        self._first = int(at.min()) if len(at) else LATEST

    def nbytes(self) -> int:
        """Memory of all timers."""
        return 16 * len(self)

    def _chosen(self, counts: list[int]) -> list[tuple[int, TimerRun]]:
        return list(zip(counts, self._runs, strict=True))

    def _sort(self) -> None:
        if self._new:
            self._runs.append(_sorted(_joined(self._new)))
            self._new = []
        if len(self._runs) > MOST_RUNS:
            self._runs.sort(key=lambda run: len(run[0]))
            small = len(self._runs) // 2 + 1  # the large runs are merged rarely
            self._runs = [_sorted(_joined(self._runs[:small])), *self._runs[small:]]


def _joined(runs: list[TimerRun]) -> TimerRun:
    if not runs:
        return NO_TIMERS
    return np.concatenate([at for at, _ in runs]), np.concatenate([slots for _, slots in runs])


def _sorted(run: TimerRun) -> TimerRun:
    order = np.argsort(run[0], kind="stable")
    return run[0][order], run[1][order]


def _distinct(at: np.ndarray, slots: np.ndarray) -> TimerRun:
    order = np.lexsort((slots, at))
    at, slots = at[order], slots[order]
    fresh = np.ones(len(at), np.bool_)
    fresh[1:] = (at[1:] != at[:-1]) | (slots[1:] != slots[:-1])
    return at[fresh], slots[fresh]


def by_slot(runs: Sequence[TimerRun]) -> TimerRun:
    """The timers of all runs, sorted by slot and then by time."""
    at, slots = _joined([*runs])
    order = np.lexsort((at, slots))
    return at[order], slots[order]
