"""What a case of ``sabotnb bench recovery`` measures: figures, some of which have a target."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of one run; ``most`` is the target, None if it has none."""

    name: str
    value: float
    unit: str
    most: float | None = None


Run: TypeAlias = Callable[[], Sequence[Figure]]
"""Runs a case once; all runs of a case return figures of the same names."""


@dataclass(frozen=True, slots=True)
class RecoveryCase:
    """A case. ``prepare`` opens what its runs share; ``weight`` is its share of the time."""

    name: str
    title: str
    prepare: Callable[[], AbstractContextManager[Run]]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class MedianFigure:
    """A figure over all runs."""

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
        """The figure as a JSON object."""
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
    figures: Sequence[MedianFigure] = field(default_factory=tuple)

    @property
    def runs(self) -> int:
        """How often it was run."""
        return max((len(figure.values) for figure in self.figures), default=0)


def medians(runs: Iterable[Sequence[Figure]]) -> list[MedianFigure]:
    """Return the figures over all runs, in the order of the first run."""
    values: dict[str, list[float]] = {}
    first: dict[str, Figure] = {}
    for run in runs:
        for figure in run:
            first.setdefault(figure.name, figure)
            values.setdefault(figure.name, []).append(figure.value)
    return [MedianFigure(name, one.unit, one.most, tuple(values[name])) for name, one in first.items()]
