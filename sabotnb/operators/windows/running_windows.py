"""Merge the panes of overlapping windows at a cost per window that does not grow with the number of panes in it.

Theory of operation. Windows are asked for in the order of their ends, so the panes of a window are a queue: the next
window has some more panes at the end and some fewer at the start. All panes have the slots of their keys in common
(``state.shared_slots``), so adding a pane to a total is a pass over arrays.

``Subtracted``, for counts: one total, to which new panes are added and from which old ones are taken.

``TwoStacks``, for all other aggregates, which cannot be taken back (Tangwongsan, Hirzel, Schneider, Wu: General
Incremental Sliding-Window Aggregation, VLDB 2015, section 2). ``_back`` is the total of the panes behind a boundary.
For the panes before it there are totals from a pane up to the boundary; a window is one of them and the back total.
When they are used up, the boundary moves to the end of the window. A total for each pane would need as much memory as
all keys times the number of panes; so there is one for each *block* of panes (``_far``), and for each pane of the block
in which the window begins (``_near``). A block has as many panes as there are blocks; each pane is added three times.

The totals are not saved with the state: after rows were loaded or dropped, and after a sweep of the index, ``clear``
lets them be made again from the panes, which do not change any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from math import isqrt
from typing import Protocol

from sabotnb.operators.group_states import SharedGroups, SharedMaker
from sabotnb.operators.windows.pane_store import PaneStore, Place
from sabotnb.operators.windows.window_starts import Panes
from sabotnb.state import SlotParts, SlotTable

TimedParts = tuple[int, Sequence[SlotParts]]
"""The start of a pane, and its rows."""


class Totals(Protocol):
    """Totals over a queue of panes; times are the starts of panes."""

    def clear(self) -> None:
        """Remove all panes."""

    def advance(self, start: int, new: Sequence[TimedParts]) -> None:
        """Add panes at the end, and remove those before ``start``."""

    def total(self) -> SlotTable:
        """The total of all panes; not to be changed, and valid until the next call."""
        ...


class RunningWindows:
    """The merged states of windows, asked for in the order of their ends."""

    def __init__(self, store: PaneStore[SharedGroups], panes: Panes, make: SharedMaker) -> None:
        self._store = store
        self._panes = panes
        self._make = make
        self._totals: Totals = Subtracted(make) if make.shared.subtracts else TwoStacks(make)
        self.clear()

    def clear(self) -> None:
        """Remove all totals, as the panes have changed."""
        self._totals.clear()
        self._covered: int | None = None
        self._delayed = set[Place]()
        for place in self._store.panes:
            self.note(place)

    def note(self, place: Place) -> None:
        """Note a place that rows were added to: rows that are late for some windows of their pane are in no total."""
        if place.admitted != self._panes.first_end(place.pane):
            self._delayed.add(place)

    def sweep(self) -> None:
        """Remove the keys that no pane has any more, if they may be many."""
        self._delayed = {place for place in self._delayed if place in self._store.panes}
        if self._make.shared.is_due():
            self._make.shared.sweep([state.aggregates for state in self._store.panes.values()])
            self.clear()

    def merged(self, start: int, end: int) -> SharedGroups:
        """The state of the window [start, end); valid until the next call."""
        fresh = self._store.between(start if self._covered is None else max(start, self._covered), end)
        first = (Place(pane, self._panes.first_end(pane)) for pane in fresh)
        states = ((place, self._store.panes.get(place)) for place in first)
        self._totals.advance(start, [(place.pane.start, state.aggregates.held) for place, state in states if state])
        self._covered = end
        total = self._totals.total()
        delayed = [place for place in self._delayed if start <= place.pane.start < end and place.admitted <= end]
        if delayed:
            totals, total = total.parts(), self._make.shared.table()
            for rows in (totals, *(rows for place in delayed for rows in self._store.panes[place].aggregates.held)):
                total.merge(rows)
        return self._make(total)


class Subtracted:
    """One total; rows of panes that leave it are subtracted."""

    def __init__(self, make: SharedMaker) -> None:
        self._make = make
        self.clear()

    def clear(self) -> None:
        self._total = self._make.shared.table()
        self._panes: deque[TimedParts] = deque()

    def advance(self, start: int, new: Sequence[TimedParts]) -> None:
        for pane in new:
            _add(self._total, pane)
        self._panes += [(at, tuple(rows)) for at, rows in new]
        while self._panes and self._panes[0][0] < start:
            for rows in self._panes.popleft()[1]:
                self._total.subtract(rows)

    def total(self) -> SlotTable:
        return self._total


class TwoStacks:
    """Totals of older panes, by block and within the first block, and one of the newer panes."""

    def __init__(self, make: SharedMaker) -> None:
        self._make = make
        self._work = make.shared.table()
        self.clear()

    def clear(self) -> None:
        self._near: list[tuple[int, SlotParts]] = []
        self._far: list[tuple[Sequence[TimedParts], SlotParts | None]] = []
        self._back = self._make.shared.table()
        self._back_panes: deque[TimedParts] = deque()

    def advance(self, start: int, new: Sequence[TimedParts]) -> None:
        for pane in new:
            _add(self._back, pane)
        self._back_panes += [(at, tuple(rows)) for at, rows in new]
        self._drop_before(start)
        while not self._near and self._far:
            self._open_block()
            self._drop_before(start)
        if not self._near and self._back_panes and self._back_panes[0][0] < start:
            self._move_boundary(start)

    def total(self) -> SlotTable:
        if not self._near:
            return self._back
        self._work.clear()
        self._work.merge(self._near[-1][1])
        if self._back_panes:
            self._work.merge(self._back.parts())
        return self._work

    def _drop_before(self, start: int) -> None:
        while self._near and self._near[-1][0] < start:
            self._near.pop()

    def _open_block(self) -> None:
        """Make the totals of the panes of the next block."""
        panes, behind = self._far.pop()
        self._work.clear()
        if behind is not None:
            self._work.merge(behind)
        self._near = []
        for pane in reversed(panes):
            _add(self._work, pane)
            self._near.append((pane[0], self._work.parts()))

    def _move_boundary(self, start: int) -> None:
        """Make the totals of the blocks of all panes there are, from the last to the first."""
        panes = [pane for pane in self._back_panes if pane[0] >= start]
        self.clear()
        behind: SlotParts | None = None
        for block in _blocks(panes):
            self._far.append((block, behind))
            if block[0] is not panes[0]:
                self._work.clear()
                for rows in () if behind is None else (behind,):
                    self._work.merge(rows)
                for pane in block:
                    _add(self._work, pane)
                behind = self._work.parts()
        if self._far:
            self._open_block()


def _blocks(panes: Sequence[TimedParts]) -> Iterator[Sequence[TimedParts]]:
    """Cut panes into blocks, the last block first."""
    size = max(1, isqrt(len(panes)))
    for stop in range(len(panes), 0, -size):
        yield panes[max(0, stop - size) : stop]


def _add(table: SlotTable, pane: TimedParts) -> None:
    for rows in pane[1]:
        table.merge(rows)
