"""Keep the states of one operator within a budget of memory: whole key groups go to a file."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pyarrow as pa

from sabotnb.operators.spilling.spillable_state import SpillableState
from sabotnb.protocol import KeyedState
from sabotnb.state import SpillFile

KEPT = 3 / 8
"""Of the memory of the states, what is left when groups were spilled. Less than half, as a batch of rows is copied, and
so frees its memory, only when most of its rows are dropped."""

STEPS = 64
"""How often the states are measured while rows of the size of the budget come."""

SMALL = 64 << 10
"""Buffers of a batch that is not worth to be measured exactly."""


class StateBudget:
    """Spills groups of ``states`` when these need more than ``limit`` bytes; with None they never spill.

    ``count`` is called with the bytes of each batch that is written.
    """

    def __init__(self, limit: int | None, count: Callable[[int], None]) -> None:
        self._limit = limit
        self._file = SpillFile(count)
        self._states: list[SpillableState] = []
        self._unmeasured = 0
        self.spilled: set[int] = set()
        """The groups of which something is in the file, or was loaded as if it were."""

    def shared(self, state: KeyedState, kind: type[SpillableState] = SpillableState) -> SpillableState:
        """Return ``state`` as one whose groups may spill together with those of the other states."""
        spillable = kind(state, self._file, self.spilled, self._fit)
        self._states.append(spillable)
        return spillable

    def note(self, batch: pa.RecordBatch) -> None:
        """Measure the states, if enough rows have come since they were measured, before ``batch`` is added.

        Raises:
            OutOfMemory: groups have to spill, and the file cannot be written.
        """
        nbytes: int = batch.get_total_buffer_size()  # 50 times faster than ``nbytes``; too much for slices
        self._unmeasured += nbytes if nbytes < SMALL else batch.nbytes
        if self._limit is not None and self._unmeasured * STEPS > self._limit:
            self._fit()

    def spill(self, groups: Collection[int]) -> None:
        """Move what is in memory of ``groups`` to the file."""
        self.spilled.update(groups)
        for state in self._states:
            state.spill(groups)

    def close(self) -> None:
        """Let go of the states, which refer to this budget: else they stay until the garbage collector runs."""
        self._states.clear()

    def _fit(self) -> None:
        """Spill groups if the states need more memory than they may."""
        self._unmeasured = 0
        if self._limit is not None and sum(state.size()[1] for state in self._states) > self._limit:
            self.spill(self._chosen())

    def _chosen(self) -> set[int]:
        """The groups to spill: those that are spilled already, so that others stay whole, then the largest."""
        groups = set[int]().union(*(state.groups_in_memory() for state in self._states))
        sizes = {group: sum(state.nbytes(group) for state in self._states) for group in groups}
        left = sum(sizes.values())
        most = KEPT * left
        chosen = set()
        for group in sorted(sizes, key=lambda group: (group not in self.spilled, -sizes[group])):
            if left <= most:
                break
            chosen.add(group)
            left -= sizes[group]
        return chosen
