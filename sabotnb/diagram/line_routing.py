"""Where boxes and lines of a picture go: in layers from left to right, with room for labels and for every arrow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from sabotnb.diagram.layered_layout import Layout, layout
from sabotnb.diagram.shapes import Connection, PlacedBox, PlacedDiagram, PlacedLine, Point, Size

LETTER = 6.1
"""Width of a letter of 11 px, a little more than it is: to leave room, and to cut what is too long."""
ARROW = 7.0
"""Length of an arrow's head, at whose base a line ends."""
FRAME = 14.0
"""Pixels of a box's height at which no line ends: near its corners."""


@dataclass(frozen=True, slots=True)
class Spacing:
    """Pixels between boxes of a layer, between layers, and between the ends of lines into one box if there is room.

    ``beside`` are left for figures beside each arrow, whether it has a label or not.
    """

    gap: float
    layer_gap: float
    port_gap: float
    beside: float = 0.0


@dataclass(frozen=True, slots=True)
class _Run:
    """How a link runs: turns begin at ``turns``, where the layers end. Its label is above the arrow or below it."""

    points: tuple[Point, ...]
    turns: tuple[float, ...]
    label: str
    below: bool


def route_lines(
    sizes: Mapping[str, Size], links: Sequence[Connection], spacing: Spacing, origin: Point = (0.0, 0.0)
) -> PlacedDiagram:
    """Place boxes of ``sizes`` and the lines between them, ``origin`` away from the left and the top.

    Gaps between layers are as wide as their labels need.
    """
    plain = layout(sizes, [(link.up, link.down) for link in links], gap=spacing.gap, layer_gap=spacing.layer_gap)
    ends = _layer_ends(plain)
    room = _label_room(links, plain, ends, spacing.beside)
    left, top = origin
    boxes = {name: replace(box, x=left + _moved(box.x, room), y=top + box.y) for name, box in plain.boxes.items()}
    turns = tuple(left + _moved(end, room) for end in ends)
    paths = [tuple((left + _moved(x, room), top + y) for x, y in line) for line in plain.lines]
    runs = _runs(links, paths, turns, boxes, spacing.port_gap)
    lines = tuple(_line(run, spacing.layer_gap) for run in runs)
    return PlacedDiagram(boxes, lines, _moved(plain.width, room), plain.height)


def _layer_ends(plain: Layout) -> list[float]:
    """The x at which each layer ends. Boxes of one layer have one centre, but for rounding."""
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
    """How much wider the gap behind each layer has to be for the labels there, by the x at which the layer ends."""
    room: dict[float, float] = {}
    for link, line in zip(links, plain.lines, strict=True):
        wanted = len(link.label) * LETTER + 10 if link.label else 0.0
        end = _end_of_layer(line[-2][0], ends)
        room[end] = max(room.get(end, 0.0), least, wanted)
    return room


def _moved(x: float, room: Mapping[float, float]) -> float:
    return x + sum(extra for end, extra in room.items() if end < x - 0.1)


def _runs(
    links: Sequence[Connection],
    paths: Sequence[tuple[Point, ...]],
    turns: tuple[float, ...],
    boxes: Mapping[str, PlacedBox],
    port_gap: float,
) -> list[_Run]:
    """Each link with an end of its own at the box that it leads to, so that arrows and labels keep apart."""
    into: dict[str, list[int]] = {}
    for number, link in enumerate(links):
        into.setdefault(link.down, []).append(number)
    runs: dict[int, _Run] = {}
    for down, numbers in into.items():
        numbers.sort(key=lambda number: paths[number][-2][1])
        gap = min(port_gap, (boxes[down].height - FRAME) / max(1, len(numbers) - 1))
        last_label = ""
        for rank, number in enumerate(numbers):
            x, y = paths[number][-1]
            tip = (x, y + (rank - (len(numbers) - 1) / 2) * gap)
            label = links[number].label
            again = label == last_label and len(numbers) > 2
            last_label = label
            below = 0 < rank == len(numbers) - 1
            runs[number] = _Run((*paths[number][:-1], tip), turns, "" if again else label, below)
    return [runs[number] for number in range(len(links))]


def _line(run: _Run, layer_gap: float) -> PlacedLine:
    x, y = run.points[-1]
    path = _curve([*run.points[:-1], (x - ARROW, y)], run.turns, layer_gap)
    return PlacedLine(path, _rounded(x, y), run.label, _rounded(x - ARROW - 5, y + (14 if run.below else -6)))


def _rounded(x: float, y: float) -> Point:
    return round(x, 1), round(y, 1)


def _curve(line: Sequence[Point], turns: Sequence[float], layer_gap: float) -> str:
    """Straight through layers and beside labels, an S behind the end of each layer."""
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
