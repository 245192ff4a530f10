"""Panes, the spans of time that lie in the same windows, and the rows of a batch by pane."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

Rows = slice | np.ndarray
"""Rows of a batch: a range or their numbers."""


class Pane(NamedTuple):
    """Times ``start <= t < end``."""

    start: int
    end: int


class OneWindow:
    """A pane that is in one window: itself."""

    __slots__ = ()

    @property
    def step(self) -> int:
        return 0

    def first_end(self, pane: Pane) -> int:
        return pane.end

    def last_end(self, pane: Pane) -> int:
        return pane.end


def by_number(numbers: np.ndarray) -> Iterator[tuple[int, Rows]]:
    """Yield each distinct number, ascending, and the rows that have it, in their order."""
    low, high = int(numbers.min()), int(numbers.max())
    if low == high:
        yield low, slice(0, len(numbers))
        return
    order = np.argsort(numbers, kind="stable")
    sorted_numbers = numbers[order]
    starts = np.flatnonzero(np.append(True, sorted_numbers[1:] != sorted_numbers[:-1]))
    stops = np.append(starts[1:], len(numbers))
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        yield int(sorted_numbers[start]), order[start:stop]
