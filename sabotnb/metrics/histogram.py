"""A histogram of durations in logarithmic buckets: small, cheap to add to, and mergeable."""

from __future__ import annotations

import math
from collections.abc import Iterable

PER_DOUBLING = 4
"""Buckets per factor of two: a quantile is at most 19 % too high."""
LEAST = 1e-4
"""Seconds; shorter durations are counted in the first bucket."""


class Histogram:
    """Counts in logarithmic buckets (as HdrHistogram): bucket b ends at ``LEAST * 2 ** (b / PER_DOUBLING)``.

    The values are durations in seconds or other positive numbers. One thread adds; any thread may ``copy``.
    """

    __slots__ = ("counts",)

    def __init__(self, counts: dict[int, int] | None = None) -> None:
        self.counts: dict[int, int] = counts or {}

    def add(self, value: float) -> None:
        """Count one value."""
        bucket = 0 if value <= LEAST else math.ceil(PER_DOUBLING * math.log2(value / LEAST))
        self.counts[bucket] = self.counts.get(bucket, 0) + 1

    def copy(self) -> Histogram:
        """Return a copy."""
        return Histogram(dict(self.counts))

    def since(self, earlier: Histogram) -> Histogram:
        """Return the values added after ``earlier``, an older copy of this histogram."""
        grown = {bucket: count - earlier.counts.get(bucket, 0) for bucket, count in self.counts.items()}
        return Histogram({bucket: count for bucket, count in grown.items() if count})

    def quantile(self, q: float) -> float | None:
        """Return the upper end of the bucket of quantile ``q``; None without values."""
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


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """Return a histogram with the values of all ``histograms``."""
    counts: dict[int, int] = {}
    for histogram in histograms:
        for bucket, count in histogram.counts.items():
            counts[bucket] = counts.get(bucket, 0) + count
    return Histogram(counts)
