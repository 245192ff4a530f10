"""Merge the panes of overlapping windows at a cost per window that does not grow with the number of panes in it.

Theory of operation. Windows are asked for in the order of their ends, so the panes of a window are a queue: the next
window has some more panes at the end and some fewer at the start. Two stacks make a queue whose total is always known
(Tangwongsan, Hirzel, Schneider, Wu: General Incremental Sliding-Window Aggregation, VLDB 2015, section 2). ``_front``
has for each of the older panes the total from it up to a common boundary; ``_back`` is the total of the panes behind
the boundary. A window is one front total merged with the back total. When the front is used up, the panes of the window
are merged again into a new front: each pane is merged twice in all.

The totals are copies, made from panes that no longer change; the panes themselves stay in the store. So the totals are
no state that must be saved: after rows were loaded or dropped, ``clear`` lets them be made again.
"""

from __future__ import annotations

from collections.abc import Callable

from sabotnb.operators.group_states import GroupState
from sabotnb.operators.windows.pane_store import PaneStore, Place, absorb, absorb_both
from sabotnb.operators.windows.window_starts import Pane, Panes


class RunningWindows:
    """The merged states of windows, asked for in the order of their ends."""

    def __init__(self, store: PaneStore, panes: Panes, make: Callable[[], GroupState]) -> None:
        self._store = store
        self._panes = panes
        self._make = make
        self.clear()

    def clear(self) -> None:
        """Forget all totals, as the panes have changed."""
        self._front: list[tuple[int, GroupState]] = []
        self._back: GroupState | None = None
        self._back_start = 0
        self._covered: int | None = None

    def merged(self, start: int, end: int) -> GroupState | None:
        """The state of the window [start, end), without rows that are late for a part of their pane's windows.

        None if it has no rows. The state must not be changed, and is valid until the next call.
        """
        while self._front and self._front[-1][0] < start:
            self._front.pop()
        if self._covered is None or (not self._front and (self._back is None or self._back_start < start)):
            self._rebuild(start, end)
        else:
            self._extend(self._covered, end)
        self._covered = end
        if not self._front or self._back is None:
            return self._front[-1][1] if self._front else self._back
        together = self._make()
        absorb_both(together, self._front[-1][1], self._back)
        return together

    def _rebuild(self, start: int, end: int) -> None:
        """Make the front for all panes of a window, from the last to the first."""
        self._front, self._back = [], None
        for pane in reversed(self._store.between(start, end)):
            state = self._state_of(pane)
            if state is None:
                continue
            total = self._make()
            if self._front:
                absorb_both(total, self._front[-1][1], state)
            else:
                absorb(total, state)
            self._front.append((pane.start, total))

    def _extend(self, start: int, end: int) -> None:
        for pane in self._store.between(start, end):
            state = self._state_of(pane)
            if state is None:
                continue
            if self._back is None:
                self._back, self._back_start = self._make(), pane.start
            absorb(self._back, state)

    def _state_of(self, pane: Pane) -> GroupState | None:
        return self._store.panes.get(Place(pane, self._panes.first_end(pane)))
