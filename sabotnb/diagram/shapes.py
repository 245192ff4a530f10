"""The boxes and lines of a diagram with their coordinates: the one model that layouts return and renderers draw.

Lengths are in the unit of the sizes that the caller passes: CSS pixels for SVG, cells for text. x grows to the right
and y grows downwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

Point = tuple[float, float]
"""x, y."""
Size = tuple[float, float]
"""Width, height."""


class Connection(Protocol):
    """A directed connection between two boxes before it has coordinates, and the label of its arrow."""

    @property
    def up(self) -> str:
        """The name of the box where it starts."""
        ...

    @property
    def down(self) -> str:
        """The name of the box where it ends."""
        ...

    @property
    def label(self) -> str:
        """The text at its arrow; may be empty."""
        ...


@dataclass(frozen=True, slots=True)
class PlacedBox:
    """A rectangle: its left and upper edge, its width and height."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """A line with an arrow head, as SVG draws it."""

    path: str
    """SVG path data, from the upper box to the base of the arrow head, 7 pixels before its ``tip``."""
    tip: Point
    label: str
    """Empty if the label would repeat that of the line beside it."""
    label_at: Point
    """Where the label ends (its anchor is its end)."""


@dataclass(frozen=True, slots=True)
class PlacedDiagram:
    """Boxes by name, one line per connection in the order of the input, and the size of the whole diagram."""

    boxes: Mapping[str, PlacedBox]
    lines: tuple[PlacedLine, ...]
    width: float
    height: float
