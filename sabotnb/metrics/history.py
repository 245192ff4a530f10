"""The load of a job's vertices, second by second, for the last two minutes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

HISTORY_SECONDS = 120
"""Moments that are kept, a second apart."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One vertex at one moment: rows per second in (of a source: out), mean load of its tasks, unread bytes."""

    rate: float
    busy: float
    idle: float
    backpressured: float
    queued: int


class History:
    """The last moments of all vertices of a job; times in seconds, of the caller's clock."""

    __slots__ = ("_moments",)

    def __init__(self) -> None:
        self._moments: deque[tuple[float, Mapping[str, Moment]]] = deque(maxlen=HISTORY_SECONDS)

    def due(self, now: float) -> bool:
        """True if a second has passed since the last moment."""
        return not self._moments or now - self._moments[-1][0] >= 1.0

    def add(self, now: float, vertices: Mapping[str, Moment]) -> None:
        """Add a moment of every vertex; drops the oldest moment if the history is full."""
        self._moments.append((now, vertices))

    def rates(self, vertex: str) -> tuple[float, ...]:
        """Return the rows per second of ``vertex``, the newest last."""
        return tuple(round(vertices[vertex].rate, 1) for _, vertices in self._moments if vertex in vertices)

    def __iter__(self) -> Iterator[tuple[float, Mapping[str, Moment]]]:
        return iter(self._moments)
