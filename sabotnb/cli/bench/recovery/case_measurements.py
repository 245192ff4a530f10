"""What a case of ``sabotnb bench recovery`` measures: measurements, some of which have a target."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number of one run; ``most`` is the target, None if it has none."""

    name: str
    value: float
    unit: str
    most: float | None = None


Run: TypeAlias = Callable[[], Sequence[Measurement]]
"""Runs a case once; all runs of a case return measurements of the same names."""


@dataclass(frozen=True, slots=True)
class RecoveryCase:
    """A case. ``prepare`` opens what its runs share; ``weight`` is its share of the time."""

    name: str
    title: str
    prepare: Callable[[], AbstractContextManager[Run]]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class MedianMeasurement:
    """A measurement over all runs."""

    name: str
    unit: str
    most: float | None
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The value that is reported."""
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        """Whether the target was reached, and by how much it was missed; empty without a target."""
        if self.most is None:
            return ""
        return "reached" if self.median <= self.most else f"missed: {self.median / self.most:.1f} x"

    def as_json(self) -> dict[str, Any]:
        """The measurement as a JSON object."""
        reached = None if self.most is None else self.median <= self.most
        return {
            "name": self.name,
            "median": self.median,
            "unit": self.unit,
            "most": self.most,
            "reached": reached,
            "values": list(self.values),
        }


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What is reported of a case. ``status`` is ok, error or not run; ``detail`` says why."""

    case: str
    title: str
    status: str = "ok"
    detail: str = ""
    measurements: Sequence[MedianMeasurement] = field(default_factory=tuple)

    @property
    def runs(self) -> int:
        """How often it was run."""
        return max((len(measurement.values) for measurement in self.measurements), default=0)


def medians(runs: Iterable[Sequence[Measurement]]) -> list[MedianMeasurement]:
    """Return the measurements over all runs, in the order of the first run."""
    values: dict[str, list[float]] = {}
    first: dict[str, Measurement] = {}
    for run in runs:
        for measurement in run:
            first.setdefault(measurement.name, measurement)
            values.setdefault(measurement.name, []).append(measurement.value)
    return [
        MedianMeasurement(name, measurement.unit, measurement.most, tuple(values[name]))
        for name, measurement in first.items()
    ]
