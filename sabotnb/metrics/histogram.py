"""How long something took, counted in buckets: small, cheap to add to, and two of them add up to one."""

from __future__ import annotations

import math
from collections.abc import Iterable

PER_DOUBLING = 4
"""Buckets per factor of two: a quantile is at most 19 % too high."""
LEAST = 1e-4
"""Seconds; what took less is counted in the first bucket."""


class Histogram:
    """Counts by logarithmic buckets (the idea of HdrHistogram): bucket b ends at ``LEAST * 2 ** (b / PER_DOUBLING)``.

    Of durations in seconds, or of anything else that is positive. One thread adds; ``copy`` from any.
    """

    __slots__ = ("counts",)

    def __init__(self, counts: dict[int, int] | None = None) -> None:
        self.counts: dict[int, int] = counts or {}

    def add(self, value: float) -> None:
        """Count one value."""
        bucket = 0 if value <= LEAST else math.ceil(PER_DOUBLING * math.log2(value / LEAST))
        self.counts[bucket] = self.counts.get(bucket, 0) + 1

    def copy(self) -> Histogram:
        """The counts now."""
        return Histogram(dict(self.counts))

    def since(self, earlier: Histogram) -> Histogram:
        """What was added after ``earlier``, which is an older copy of this one."""
        grown = {bucket: count - earlier.counts.get(bucket, 0) for bucket, count in self.counts.items()}
        return Histogram({bucket: count for bucket, count in grown.items() if count})

    def quantile(self, q: float) -> float | None:
        """The upper end of the bucket below which a share ``q`` of all values lies; None if there is no value."""
        total = sum(self.counts.values())
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= q * total:
                return float(LEAST * 2 ** (bucket / PER_DOUBLING))
        return None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self.counts == other.counts

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"Histogram({self.counts})"


def merged(parts: Iterable[Histogram]) -> Histogram:
    """All values of ``parts`` together."""
    counts: dict[int, int] = {}
    for part in parts:
        for bucket, count in part.counts.items():
            counts[bucket] = counts.get(bucket, 0) + count
    return Histogram(counts)
