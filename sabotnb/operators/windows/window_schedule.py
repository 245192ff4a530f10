"""Which windows are awaited, and when panes are dropped.

Theory of operation. ``_ends`` is a heap of the windows that may have rows and have not ended, by end. A row adds the
first window that it counts for. When a window has been returned, ``follow`` adds the one that begins a step later if a
pane of it is in that, too. So the heap holds few windows of a pane at a time, and gaps without rows cost nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence

from sabotnb.graph import SlidingWindow, WindowShape
from sabotnb.operators.windows.pane_store import Place
from sabotnb.operators.windows.panes import Pane
from sabotnb.operators.windows.window_starts import end_after, panes_of
from sabotnb.protocol import MAX_WATERMARK

Bounds = tuple[int, int]
"""The end and the start of a window: windows sort by their end."""


class WindowSchedule:
    """The windows of a shape that are to be returned, and the panes to be dropped ``lateness`` after their last."""

    def __init__(self, shape: WindowShape, lateness: int = 0) -> None:
        self.panes = panes_of(shape)
        self._length = shape.size if isinstance(shape, SlidingWindow) else None
        self._lateness = lateness
        self._ends: list[Bounds] = []
        self._awaited: set[Bounds] = set()
        self._expiry: list[tuple[int, Pane]] = []

    def first(self) -> int | None:
        """The end of the next window; None if there is none, or if it ends with the input."""
        return self._ends[0][0] if self._ends and self._ends[0][0] < MAX_WATERMARK else None

    def is_awaited(self, bounds: Bounds) -> bool:
        """True if the window has rows and has not been returned."""
        return bounds in self._awaited

    def bounds(self, pane: Pane, end: int) -> Bounds:
        """The window of ``pane`` that ends at ``end``."""
        return end, pane.start if self._length is None else end - self._length

    def keep(self, pane: Pane) -> None:
        """Let a new pane be dropped when its last window has ended, plus lateness."""
        heapq.heappush(self._expiry, (self.panes.last_end(pane) + self._lateness, pane))

    def wait_for(self, bounds: Bounds) -> None:
        """Add a window, if it is not there."""
        if bounds not in self._awaited:
            self._awaited.add(bounds)
            heapq.heappush(self._ends, bounds)

    def due(self, us: int) -> Iterator[Bounds]:
        """Remove and yield the windows that end by ``us``, in order; some may be added meanwhile."""
        while self._ends and self._ends[0][0] <= us:
            bounds = heapq.heappop(self._ends)
            self._awaited.discard(bounds)
            yield bounds

    def follow(self, bounds: Bounds, panes: Iterable[Pane]) -> None:
        """Add the window a step behind ``bounds``, if one of ``panes`` is in that, too."""
        step = self.panes.step
        if step and any(self.panes.last_end(pane) >= bounds[0] + step for pane in panes):
            self.wait_for((bounds[0] + step, bounds[1] + step))

    def expired(self, us: int) -> Iterator[Pane]:
        """Remove and yield the panes that no window needs after ``us``."""
        while self._expiry and self._expiry[0][0] <= us:
            yield heapq.heappop(self._expiry)[1]

    def begin_again(self, places: Sequence[Place], us: int) -> None:
        """Find out what to wait for, as key groups have come or gone; windows that end by ``us`` were returned."""
        self._expiry = []
        for pane in {place.pane for place in places}:
            self.keep(pane)
        for place in places:
            end = end_after(self.panes, place.pane, us)
            if end != MAX_WATERMARK or place.pane.end == MAX_WATERMARK:
                self.wait_for(self.bounds(place.pane, max(end, place.admitted)))
