"""The picture of a job as static SVG: presentation attributes and a background of its own, so it shows anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from itertools import pairwise

from sabotnb.api.display.scene import Box, Link, Scene
from sabotnb.api.display.words import cut
from sabotnb.graph import EdgeType
from sabotnb.plan.layout import Box as Place
from sabotnb.plan.layout import Layout, Point, layout

BOX_HEIGHT = 50.0
NARROW, WIDE = 92.0, 182.0
"""Widths of boxes, by their text."""
GAP = 22.0
LAYER_GAP = 30.0
MARGIN = 16.0
LETTER, TITLE_LETTER = 6.1, 7.6
"""Widths of letters, a little more than they are: to leave room, and to cut what is too long."""
ARROW = 7.0
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


def draw(scene: Scene) -> str:
    """An ``<svg>`` of ``scene``, from left to right."""
    sizes = {box.id: (_width(box), BOX_HEIGHT) for box in scene.boxes.values()}
    placed = layout(sizes, [(link.up, link.down) for link in scene.links], gap=GAP, layer_gap=LAYER_GAP)
    room = _label_room(scene.links, placed)
    boxes = {name: replace(box, x=_moved(box.x, room)) for name, box in placed.boxes.items()}
    lines = [[(_moved(x, room), y) for x, y in line] for line in placed.lines]
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
    return "".join(parts)


def _width(box: Box) -> float:
    title = len(box.id) * TITLE_LETTER + 52
    return min(WIDE, max(NARROW, title, len(box.text) * LETTER + 24))


def _label_room(links: Sequence[Link], placed: Layout) -> dict[float, float]:
    """How much wider the gap behind each layer has to be for the labels there, by the x at which the layer ends."""
    ends: dict[float, float] = {}
    for box in placed.boxes.values():
        centre = round(box.x + box.width / 2, 1)  # boxes of one layer have one centre
        ends[centre] = max(ends.get(centre, 0.0), box.x + box.width)
    room: dict[float, float] = {}
    for link, line in zip(links, placed.lines, strict=True):
        if link.label:
            end = min(end for end in ends.values() if end >= line[-2][0] - 0.1)
            room[end] = max(room.get(end, 0.0), len(link.label) * LETTER + 28 - LAYER_GAP)
    return room


def _moved(x: float, room: Mapping[float, float]) -> float:
    return x + sum(extra for end, extra in room.items() if end < x - 0.1)


def _box(box: Box, place: Place) -> str:
    x, y, right = place.x, place.y, place.x + place.width
    letters = int((place.width - 22) / LETTER)
    return (
        f"<g><title>{escape(f'{box.id} ({box.kind}), {box.tasks} tasks: {box.text}')}</title>"
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{place.width:.1f}" height="{place.height}" rx="7" fill="{CARD}" '
        f'stroke="{EDGE}"/>'
        f'<rect x="{x:.1f}" y="{y + 8:.1f}" width="3.5" height="{place.height - 16}" rx="1.75" '
        f'fill="{ACCENTS[box.role]}"/>'
        f'<text x="{x + 13:.1f}" y="{y + 20:.1f}" font-size="12.5" font-weight="600" fill="{INK}">'
        f"{escape(cut(box.id, int((place.width - 48) / TITLE_LETTER)))}</text>"
        f'<text x="{right - 9:.1f}" y="{y + 20:.1f}" text-anchor="end" fill="{FAINT}">&#215;{box.tasks}</text>'
        f'<text x="{x + 13:.1f}" y="{y + 38:.1f}" fill="{FAINT}">{escape(cut(box.text, letters))}</text></g>'
    )


def _link(link: Link, line: Sequence[Point]) -> str:
    colour, width = (RAIL, 1.5) if link.type is EdgeType.FORWARD else (CROSS, 2.2)
    x, y = line[-1]
    tip = f"M{x - ARROW:.1f} {y - 4:.1f}L{x:.1f} {y:.1f}L{x - ARROW:.1f} {y + 4:.1f}Z"
    drawn = (
        f'<path d="{_curve([*line[:-1], (x - ARROW, y)])}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
        f'<path d="{tip}" fill="{colour}"/>'
    )
    if not link.label:
        return drawn
    (x0, y0), (x1, y1) = line[-2], line[-1]
    near = x1 - len(link.label) * LETTER / 2 - 12  # at the arrow, where every link has room of its own
    share = (near - x0) / (x1 - x0)
    above = y0 + (y1 - y0) * share * share * (3 - 2 * share) - 7
    return drawn + (
        f'<text x="{near:.1f}" y="{above:.1f}" text-anchor="middle" fill="{CROSS}" stroke="{CARD}" stroke-width="4" '
        f'paint-order="stroke">{escape(link.label)}</text>'
    )


def _curve(line: Sequence[Point]) -> str:
    """Straight through layers, an S in each gap between them."""
    path = f"M{line[0][0]:.1f} {line[0][1]:.1f}"
    for number, ((x0, y0), (x1, y1)) in enumerate(pairwise(line)):
        bend = (x1 - x0) / 2
        in_gap = number % 2 == 0
        if in_gap and abs(y1 - y0) > 1:
            path += f"C{x0 + bend:.1f} {y0:.1f} {x1 - bend:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
        else:
            path += f"L{x1:.1f} {y1:.1f}"
    return path


def _alternative(scene: Scene) -> str:
    return "Job graph: " + "; ".join(f"{link.up} to {link.down}" for link in scene.links)
