"""The splits of one source that no task has yet, and how many of them a task that asks is handed.

Splits leave in the order of their lower bounds, so that event time advances window by window whichever task reads
them. A task says how many bytes it reads in a short time. It is handed no more than that, so a slow task takes fewer
splits, and no more than half of its share of what is left, so that all tasks end at about the same time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from sabotnb.protocol import Split, SplitsLeft


class SplitQueue:
    """The splits of a source with ``tasks`` tasks, in the order in which they are handed out."""

    def __init__(self, splits: Iterable[Split], tasks: int) -> None:
        self._splits = deque(sorted(splits, key=lambda split: split.lower_bound))
        self._nbytes = sum(split.weight for split in self._splits)
        self._tasks = tasks

    def left(self) -> SplitsLeft:
        """What a task may know of the splits that are left."""
        if not self._splits:
            return SplitsLeft()
        return SplitsLeft(self._splits[0].lower_bound, self._splits[0].id)

    def take(self, nbytes: int) -> tuple[Split, ...]:
        """Remove the next splits, of about ``nbytes`` bytes; at least one if there are any."""
        wanted = min(nbytes, self._nbytes // (2 * self._tasks))
        taken: list[Split] = []
        while self._splits and (not taken or wanted >= self._splits[0].weight):
            split = self._splits.popleft()
            self._nbytes -= split.weight
            wanted -= split.weight
            taken.append(split)
        return tuple(taken)

    def deal(self, tasks: int | None = None, *, whole: bool) -> list[tuple[Split, ...]]:
        """Remove the splits with which ``tasks`` begin, all by default: one for each, or all in turn if ``whole``."""
        tasks = self._tasks if tasks is None else tasks
        if not whole:
            return [self.take(0) for _ in range(tasks)]
        if not tasks:
            return []
        dealt = list(self._splits)
        self._splits.clear()
        self._nbytes = 0
        return [tuple(dealt[index::tasks]) for index in range(tasks)]
