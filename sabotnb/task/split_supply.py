"""The splits that a source task was handed and has not begun, and when it asks for more.

A task asks before it has read what it has, so that it does not wait for the answer between two small files. How long
its splits last is estimated from those that it has read. A task that reads slowly, and one that has read none yet, asks
only when it needs a split: it would keep from the others what they could read sooner.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable

from sabotnb.protocol import MAX_WATERMARK, AssignSplits, Split, SplitsLeft

AHEAD_SECONDS = 0.25
"""A task is handed what it reads in this time, and asks for more when half of it is left."""


def _ask_nobody(_nbytes: int) -> None:
    raise RuntimeError("a task that was handed all of its splits asks for none")


class SplitSupply:
    """The splits of one source task, in the order in which it reads them.

    ``ask`` asks for about that many bytes of splits; ``add`` brings the answer. ``left`` is known of the splits that no
    task has yet. ``clock`` returns seconds.
    """

    def __init__(
        self,
        splits: Iterable[Split] = (),
        left: SplitsLeft | None = None,
        ask: Callable[[int], None] = _ask_nobody,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._splits = deque(splits)
        self._nbytes = sum(split.weight for split in self._splits)
        self._left = left or SplitsLeft()
        self._ask = ask
        self._clock = clock
        self._asked = False
        self._begun_at = 0.0
        self._read_bytes = self._read_seconds = 0.0

    def __bool__(self) -> bool:
        """True if there is a split to begin."""
        return bool(self._splits)

    def waiting(self) -> tuple[Split, ...]:
        """The splits that were handed to the task and not begun."""
        return tuple(self._splits)

    @property
    def exhausted(self) -> bool:
        """True if there is no split to begin, and none will come."""
        return not self._splits and not self._left.more

    @property
    def bound(self) -> int:
        """No split that the task has not begun has an event time below this."""
        return min(self._splits[0].lower_bound if self._splits else MAX_WATERMARK, self._left.bound)

    @property
    def following(self) -> str:
        """The id of the split with that bound."""
        if self._splits and self._splits[0].lower_bound <= self._left.bound:
            return self._splits[0].id
        return self._left.following or ""

    def begin(self) -> Split:
        """Remove the next split, which is read from now on."""
        self._begun_at = self._clock()
        split = self._splits.popleft()
        self._nbytes -= split.weight
        self._ask_if_short(split.weight)
        return split

    def finish(self, split: Split) -> None:
        """Note that ``split``, which was begun last, was read completely."""
        # the latest splits count most: the speed of a task changes with its downstream
        self._read_bytes = self._read_bytes / 2 + split.weight
        self._read_seconds = self._read_seconds / 2 + self._clock() - self._begun_at
        self._ask_if_short(0)

    def add(self, assigned: AssignSplits) -> None:
        """Take the answer."""
        self._asked = False
        self._splits.extend(assigned.splits)
        self._nbytes += sum(split.weight for split in assigned.splits)
        self._left = assigned.left

    def raise_bound(self, left: SplitsLeft) -> None:
        """Other tasks were handed splits: ``left`` are what remains."""
        self._left = left

    def clear(self) -> None:
        """Drop all splits and expect none."""
        self._splits.clear()
        self._nbytes = 0
        self._left = SplitsLeft()

    def _ask_if_short(self, unread: int) -> None:
        """Ask if the splits, and ``unread`` bytes of the one that was begun, will be read soon."""
        if not self._read_bytes:
            return
        ahead = self._read_bytes / max(self._read_seconds, 1e-6) * AHEAD_SECONDS
        unread += self._nbytes
        if unread < ahead / 2 and self._left.more and not self._asked:
            self._asked = True
            self._ask(max(1, int(ahead) - unread))
