"""Routes the lines of a diagram from left to right: an arrow and a label per line, none over another.

``layered_layout`` knows neither labels nor arrow heads. This module widens each gap between layers by what the labels
there need, gives every line into a box an end of its own, and turns polylines into SVG paths: straight through layers
and beside labels, an S-curve at the start of each gap.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from sabotnb.diagram.layered_layout import Layout, layout
from sabotnb.diagram.shapes import Connection, PlacedBox, PlacedDiagram, PlacedLine, Point, Size

LETTER = 6.1
"""Pixels: the width of a letter at 11 px, rounded up, so that texts are cut too short rather than too long."""
ARROW = 7.0
"""Pixels: the length of an arrow head, at whose base a line ends."""
FRAME = 14.0
"""Pixels of a box's height, near its corners, at which no line ends."""


@dataclass(frozen=True, slots=True)
class Spacing:
    """Pixels between boxes of a layer, between layers, and between the ends of lines into one box if it is high enough.

    ``beside`` is the minimum room beside each arrow, with or without a label.
    """

    gap: float
    layer_gap: float
    port_gap: float
    beside: float = 0.0


@dataclass(frozen=True, slots=True)
class _Route:
    """A line before it becomes a path. Curves begin at ``turns``, where layers end; its label is above or below it."""

    points: tuple[Point, ...]
    turns: tuple[float, ...]
    label: str
    below: bool


def route_lines(
    sizes: Mapping[str, Size], links: Sequence[Connection], spacing: Spacing, origin: Point = (0.0, 0.0)
) -> PlacedDiagram:
    """Return boxes of ``sizes`` and the lines between them, with coordinates that begin at ``origin``.

    Gaps between layers are as wide as their labels need.
    """
    plain = layout(sizes, [(link.up, link.down) for link in links], gap=spacing.gap, layer_gap=spacing.layer_gap)
    ends = _layer_ends(plain)
    room = _label_room(links, plain, ends, spacing.beside)
    left, top = origin
    boxes = {name: replace(box, x=left + _moved(box.x, room), y=top + box.y) for name, box in plain.boxes.items()}
    turns = tuple(left + _moved(end, room) for end in ends)
    paths = [tuple((left + _moved(x, room), top + y) for x, y in line) for line in plain.lines]
    routes = _routes(links, paths, turns, boxes, spacing.port_gap)
    lines = tuple(_line(route, spacing.layer_gap) for route in routes)
    return PlacedDiagram(boxes, lines, _moved(plain.width, room), plain.height)


def _layer_ends(plain: Layout) -> list[float]:
    """Return the x at which each layer ends. Boxes of one layer share a centre, except for rounding."""
    ends: list[float] = []
    last = -math.inf
    for box in sorted(plain.boxes.values(), key=_centre):
        if _centre(box) - last > 1:
            ends.append(0.0)
            last = _centre(box)
        ends[-1] = max(ends[-1], box.x + box.width)
    return ends


def _centre(box: PlacedBox) -> float:
    return box.x + box.width / 2


def _end_of_layer(x: float, ends: Sequence[float]) -> float:
    return min(end for end in ends if end >= x - 0.1)


def _label_room(links: Sequence[Connection], plain: Layout, ends: Sequence[float], least: float) -> dict[float, float]:
    """Return the extra width of the gap behind each layer, for its labels, by the x at which the layer ends."""
    room: dict[float, float] = {}
    for link, line in zip(links, plain.lines, strict=True):
        wanted = len(link.label) * LETTER + 10 if link.label else 0.0
        end = _end_of_layer(line[-2][0], ends)
        room[end] = max(room.get(end, 0.0), least, wanted)
    return room


def _moved(x: float, room: Mapping[float, float]) -> float:
    return x + sum(extra for end, extra in room.items() if end < x - 0.1)


def _routes(
    links: Sequence[Connection],
    paths: Sequence[tuple[Point, ...]],
    turns: tuple[float, ...],
    boxes: Mapping[str, PlacedBox],
    port_gap: float,
) -> list[_Route]:
    """Return the route of each link; its end at the lower box is its own, so that arrows and labels do not overlap."""
    into: dict[str, list[int]] = {}
    for number, link in enumerate(links):
        into.setdefault(link.down, []).append(number)
    routes: dict[int, _Route] = {}
    for down, numbers in into.items():
        numbers.sort(key=lambda number: paths[number][-2][1])
        gap = min(port_gap, (boxes[down].height - FRAME) / max(1, len(numbers) - 1))
        last_label = ""
        for rank, number in enumerate(numbers):
            x, y = paths[number][-1]
            tip = (x, y + (rank - (len(numbers) - 1) / 2) * gap)
            label = links[number].label
            repeats = label == last_label and len(numbers) > 2
            last_label = label
            below = 0 < rank == len(numbers) - 1  # the last label is below its arrow: above is the line before
            routes[number] = _Route((*paths[number][:-1], tip), turns, "" if repeats else label, below)
    return [routes[number] for number in range(len(links))]


def _line(route: _Route, layer_gap: float) -> PlacedLine:
    x, y = route.points[-1]
    path = _curve([*route.points[:-1], (x - ARROW, y)], route.turns, layer_gap)
    return PlacedLine(path, _rounded(x, y), route.label, _rounded(x - ARROW - 5, y + (14 if route.below else -6)))


def _rounded(x: float, y: float) -> Point:
    return round(x, 1), round(y, 1)


def _curve(line: Sequence[Point], turns: Sequence[float], layer_gap: float) -> str:
    """Return SVG path data: straight through layers and beside labels, an S behind the end of each layer."""
    path = f"M{line[0][0]:.1f} {line[0][1]:.1f}"
    for number, ((x0, y0), (x1, y1)) in enumerate(pairwise(line)):
        in_gap = number % 2 == 0
        if in_gap and abs(y1 - y0) > 0.1:
            start = _end_of_layer(x0, turns)
            end = min(start + layer_gap - ARROW, x1)
            middle = (start + end) / 2
            path += f"L{start:.1f} {y0:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {end:.1f} {y1:.1f}"
        path += f"L{x1:.1f} {y1:.1f}"
    return path
