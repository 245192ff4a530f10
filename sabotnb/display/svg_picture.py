"""The picture of a job as static SVG: presentation attributes and a background of its own, so it shows anywhere."""

from __future__ import annotations

from html import escape

from sabotnb.diagram import LayoutBox as Place
from sabotnb.display import placing, saved
from sabotnb.display.job_picture import Line
from sabotnb.display.operator_labels import NAME_LETTERS, SENTENCE_LETTERS, cut
from sabotnb.display.placing import ARROW, LETTER, Measures, PlacedLine, placed
from sabotnb.display.scene import Box, Scene
from sabotnb.graph import EdgeType

BOX_HEIGHT = 50.0
NARROW, WIDE = 92.0, 182.0
"""Widths of boxes, by their text."""
MEASURES = Measures(gap=22, layer_gap=34, port_gap=18)
MARGIN = 16.0
TITLE_LETTER = 7.6
"""Width of a letter of 12.5 px, semi-bold, a little more than it is."""
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


def draw(scene: Scene) -> tuple[str, float]:
    """An ``<svg>`` of ``scene``, from left to right, and how narrow it may be shown, in pixels."""
    sizes = {box.id: (_width(box), BOX_HEIGHT) for box in scene.boxes.values()}
    places = placed(sizes, [placing.Link(link.up, link.down, link.label) for link in scene.links], MEASURES)
    inside = [
        f'<g transform="translate({MARGIN:.0f} {MARGIN:.0f})">',
        *(
            arrow(line, forward=link.type is EdgeType.FORWARD)
            for link, line in zip(scene.links, places.lines, strict=True)
        ),
        *(_box(box, places.boxes[box.id]) for box in scene.boxes.values()),
        "</g>",
    ]
    return sheet(places.width + 2 * MARGIN, places.height + 2 * MARGIN, _alternative(scene), "".join(inside))


def sheet(width: float, height: float, alternative: str, inside: str) -> tuple[str, float]:
    """An ``<svg>`` with a ground of its own, and how narrow it may be shown, in pixels."""
    scale = min(1.0, max(SMALLEST, PAGE / width))
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * scale:.1f}" height="{height * scale:.1f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(alternative)}" '
        f'font-family="{SANS}" font-size="11" fill="{INK}">'
    )
    frame = f'x="0.5" y="0.5" width="{width - 1:.0f}" height="{height - 1:.0f}" rx="8"'
    ground = f'<rect {frame} fill="{CARD}"/><rect {frame} fill="{TINT}" fill-opacity="0.4" stroke="{FRAME}"/>'
    return saved.picture(f"{opening}{ground}{inside}</svg>", alternative), width * SMALLEST


def _width(box: Box) -> float:
    title = len(box.id) * TITLE_LETTER + 58
    return min(WIDE, max(NARROW, title, len(box.text) * LETTER + 24))


def _box(box: Box, place: Place) -> str:
    x, y, right = place.x, place.y, place.x + place.width
    letters = int((place.width - 22) / LETTER)
    return (
        f"<g><title>{escape(cut(f'{box.id} ({box.kind}), {box.tasks} tasks: {box.text}', SENTENCE_LETTERS))}</title>"
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{place.width:.1f}" height="{place.height}" rx="7" fill="{CARD}" '
        f'stroke="{EDGE}"/>'
        f'<rect x="{x:.1f}" y="{y + 8:.1f}" width="3.5" height="{place.height - 16}" rx="1.75" '
        f'fill="{ACCENTS[box.role]}"/>'
        f'<text x="{x + 13:.1f}" y="{y + 20:.1f}" font-size="12.5" font-weight="600">'
        f"{escape(cut(box.id, int((place.width - 54) / TITLE_LETTER)))}</text>"
        f'<text x="{right - 9:.1f}" y="{y + 20:.1f}" text-anchor="end" fill="{FAINT}">&#215;{box.tasks}</text>'
        f'<text x="{x + 13:.1f}" y="{y + 38:.1f}" fill="{FAINT}">{escape(cut(box.text, letters))}</text></g>'
    )


def arrow(line: PlacedLine | Line, *, forward: bool) -> str:
    """A line with its head and its label; those whose rows stay in their tasks are thin and grey."""
    colour, width = (RAIL, 1.5) if forward else (CROSS, 2.2)
    x, y = line.tip
    tip = f"M{x - ARROW:.1f} {y - 4:.1f}L{x:.1f} {y:.1f}L{x - ARROW:.1f} {y + 4:.1f}Z"
    drawn = (
        f'<path d="{line.path}" fill="none" stroke="{colour}" stroke-width="{width}"/><path d="{tip}" fill="{colour}"/>'
    )
    if not line.label:
        return drawn
    x, y = line.label_at
    return drawn + f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="end" fill="{CROSS}">{escape(line.label)}</text>'


def _alternative(scene: Scene) -> str:
    name = {box: cut(box, NAME_LETTERS) for box in scene.boxes}
    return "Job graph: " + "; ".join(f"{name[link.up]} to {name[link.down]}" for link in scene.links)
