"""The picture of a job as static SVG: presentation attributes and a background of its own, so it shows anywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import pairwise

from sabotnb.display.scene import Box, Link, Scene
from sabotnb.display.words import NAME_LETTERS, SENTENCE_LETTERS, cut
from sabotnb.graph import EdgeType
from sabotnb.plan.layout import Box as Place
from sabotnb.plan.layout import Layout, Point, layout

BOX_HEIGHT = 50.0
NARROW, WIDE = 92.0, 182.0
"""Widths of boxes, by their text."""
GAP = 22.0
LAYER_GAP = 34.0
MARGIN = 16.0
LETTER, TITLE_LETTER = 6.1, 7.6
"""Widths of letters, a little more than they are: to leave room, and to cut what is too long."""
ARROW = 7.0
PORT_GAP = 18.0
"""Between the ends of links into one box, if there is room."""
PAGE = 900.0
"""Wider pictures are shown smaller, down to ``SMALLEST``; then they scroll."""
SMALLEST = 0.75

SANS = "system-ui,-apple-system,'Segoe UI','DejaVu Sans',Helvetica,Arial,sans-serif"
# A notebook's theme where there is one; each colour has its default for every other place.
CARD = "var(--jp-layout-color1,#ffffff)"
TINT = "var(--jp-layout-color2,#eef2f7)"
FRAME = "var(--jp-border-color2,#dbe3ec)"
EDGE = "var(--jp-border-color1,#c3cedb)"
INK = "var(--jp-ui-font-color1,#1e293b)"
FAINT = "var(--jp-ui-font-color2,#64748b)"
RAIL, CROSS = "#8a99ad", "#3b82f6"
ACCENTS = {"source": "#14a394", "operator": "#6b7a90", "sink": "#d97706"}


@dataclass(frozen=True, slots=True)
class _Line:
    """How a link runs: turns begin at ``turns``, where the layers end. Its label is above the arrow or below it."""

    points: tuple[Point, ...]
    turns: tuple[float, ...]
    label: str
    below: bool


def draw(scene: Scene) -> tuple[str, float]:
    """An ``<svg>`` of ``scene``, from left to right, and how narrow it may be shown, in pixels."""
    sizes = {box.id: (_width(box), BOX_HEIGHT) for box in scene.boxes.values()}
    placed = layout(sizes, [(link.up, link.down) for link in scene.links], gap=GAP, layer_gap=LAYER_GAP)
    ends = _layer_ends(placed)
    room = _label_room(scene.links, placed, ends)
    boxes = {name: replace(box, x=_moved(box.x, room)) for name, box in placed.boxes.items()}
    turns = tuple(_moved(end, room) for end in ends)
    lines = _lines(scene.links, [tuple((_moved(x, room), y) for x, y in line) for line in placed.lines], turns)
    width, height = _moved(placed.width, room) + 2 * MARGIN, placed.height + 2 * MARGIN
    scale = min(1.0, max(SMALLEST, PAGE / width))
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * scale:.1f}" height="{height * scale:.1f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(_alternative(scene))}" '
        f'font-family="{SANS}" font-size="11">'
    )
    frame = f'x="0.5" y="0.5" width="{width - 1:.0f}" height="{height - 1:.0f}" rx="8"'
    parts = [
        opening,
        f'<rect {frame} fill="{CARD}"/><rect {frame} fill="{TINT}" fill-opacity="0.4" stroke="{FRAME}"/>',
        f'<g transform="translate({MARGIN:.0f} {MARGIN:.0f})">',
        *(_link(link, line) for link, line in zip(scene.links, lines, strict=True)),
        *(_box(box, boxes[box.id]) for box in scene.boxes.values()),
        "</g></svg>",
    ]
    return "".join(parts), width * SMALLEST


def _width(box: Box) -> float:
    title = len(box.id) * TITLE_LETTER + 58
    return min(WIDE, max(NARROW, title, len(box.text) * LETTER + 24))


def _layer_ends(placed: Layout) -> list[float]:
    """The x at which each layer ends. Boxes of one layer have one centre, but for rounding."""
    ends: list[float] = []
    last = -math.inf
    for box in sorted(placed.boxes.values(), key=_centre):
        if _centre(box) - last > 1:
            ends.append(0.0)
            last = _centre(box)
        ends[-1] = max(ends[-1], box.x + box.width)
    return ends


def _centre(box: Place) -> float:
    return box.x + box.width / 2


def _end_of_layer(x: float, ends: Sequence[float]) -> float:
    return min(end for end in ends if end >= x - 0.1)


def _label_room(links: Sequence[Link], placed: Layout, ends: Sequence[float]) -> dict[float, float]:
    """How much wider the gap behind each layer has to be for the labels there, by the x at which the layer ends."""
    room: dict[float, float] = {}
    for link, line in zip(links, placed.lines, strict=True):
        if link.label:
            end = _end_of_layer(line[-2][0], ends)
            room[end] = max(room.get(end, 0.0), len(link.label) * LETTER + 10)
    return room


def _lines(links: Sequence[Link], paths: Sequence[tuple[Point, ...]], turns: tuple[float, ...]) -> list[_Line]:
    """Each link with an end of its own at the box that it leads to, so that arrows and labels keep apart."""
    into: dict[str, list[int]] = {}
    for number, link in enumerate(links):
        into.setdefault(link.down, []).append(number)
    lines: dict[int, _Line] = {}
    for numbers in into.values():
        numbers.sort(key=lambda number: paths[number][-2][1])
        gap = min(PORT_GAP, (BOX_HEIGHT - 14) / max(1, len(numbers) - 1))
        said = ""
        for rank, number in enumerate(numbers):
            x, y = paths[number][-1]
            moved = (x, y + (rank - (len(numbers) - 1) / 2) * gap)
            label = links[number].label
            again = label == said and len(numbers) > 2
            said = label
            below = 0 < rank == len(numbers) - 1
            lines[number] = _Line((*paths[number][:-1], moved), turns, "" if again else label, below)
    return [lines[number] for number in range(len(links))]


def _moved(x: float, room: Mapping[float, float]) -> float:
    return x + sum(extra for end, extra in room.items() if end < x - 0.1)


def _box(box: Box, place: Place) -> str:
    x, y, right = place.x, place.y, place.x + place.width
    letters = int((place.width - 22) / LETTER)
    return (
        f"<g><title>{escape(cut(f'{box.id} ({box.kind}), {box.tasks} tasks: {box.text}', SENTENCE_LETTERS))}</title>"
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{place.width:.1f}" height="{place.height}" rx="7" fill="{CARD}" '
        f'stroke="{EDGE}"/>'
        f'<rect x="{x:.1f}" y="{y + 8:.1f}" width="3.5" height="{place.height - 16}" rx="1.75" '
        f'fill="{ACCENTS[box.role]}"/>'
        f'<text x="{x + 13:.1f}" y="{y + 20:.1f}" font-size="12.5" font-weight="600" fill="{INK}">'
        f"{escape(cut(box.id, int((place.width - 54) / TITLE_LETTER)))}</text>"
        f'<text x="{right - 9:.1f}" y="{y + 20:.1f}" text-anchor="end" fill="{FAINT}">&#215;{box.tasks}</text>'
        f'<text x="{x + 13:.1f}" y="{y + 38:.1f}" fill="{FAINT}">{escape(cut(box.text, letters))}</text></g>'
    )


def _link(link: Link, line: _Line) -> str:
    colour, width = (RAIL, 1.5) if link.type is EdgeType.FORWARD else (CROSS, 2.2)
    x, y = line.points[-1]
    tip = f"M{x - ARROW:.1f} {y - 4:.1f}L{x:.1f} {y:.1f}L{x - ARROW:.1f} {y + 4:.1f}Z"
    drawn = (
        f'<path d="{_curve([*line.points[:-1], (x - ARROW, y)], line.turns)}" fill="none" stroke="{colour}" '
        f'stroke-width="{width}"/><path d="{tip}" fill="{colour}"/>'
    )
    if not line.label:
        return drawn
    return drawn + (
        f'<text x="{x - ARROW - 5:.1f}" y="{y + (14 if line.below else -6):.1f}" text-anchor="end" fill="{CROSS}">'
        f"{escape(line.label)}</text>"
    )


def _curve(line: Sequence[Point], turns: Sequence[float]) -> str:
    """Straight through layers and beside labels, an S behind the end of each layer."""
    path = f"M{line[0][0]:.1f} {line[0][1]:.1f}"
    for number, ((x0, y0), (x1, y1)) in enumerate(pairwise(line)):
        in_gap = number % 2 == 0
        if in_gap and abs(y1 - y0) > 0.1:
            start = _end_of_layer(x0, turns)
            end = min(start + LAYER_GAP - ARROW, x1)
            middle = (start + end) / 2
            path += f"L{start:.1f} {y0:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {end:.1f} {y1:.1f}"
        path += f"L{x1:.1f} {y1:.1f}"
    return path


def _alternative(scene: Scene) -> str:
    name = {box: cut(box, NAME_LETTERS) for box in scene.boxes}
    return "Job graph: " + "; ".join(f"{name[link.up]} to {name[link.down]}" for link in scene.links)
