"""Draws the picture of a stream's job graph as static SVG."""

from __future__ import annotations

from html import escape

from sabotnb import text_limits
from sabotnb.diagram import LETTER, PlacedBox, Spacing, route_lines, svg_drawing
from sabotnb.display import saved
from sabotnb.display.picture_style import ACCENTS, stroke
from sabotnb.display.scene import Box, Scene
from sabotnb.text_limits import cut

BOX_HEIGHT = 50.0
NARROW, WIDE = 92.0, 182.0
"""Least and greatest width of a box; its text decides between them."""
SPACING = Spacing(gap=22, layer_gap=34, port_gap=18)
MARGIN = 16.0
TITLE_LETTER = 7.6
"""Pixels: the width of a semi-bold letter at 12.5 px, rounded up."""


def draw(scene: Scene) -> tuple[str, float]:
    """Return an ``<svg>`` of ``scene``, from left to right, and the least width to show it at, in pixels."""
    sizes = {box.id: (_width(box), BOX_HEIGHT) for box in scene.boxes.values()}
    placed = route_lines(sizes, scene.links, SPACING)
    inside = [
        f'<g transform="translate({MARGIN:.0f} {MARGIN:.0f})">',
        *(svg_drawing.arrow(line, stroke(link.type)) for link, line in zip(scene.links, placed.lines, strict=True)),
        *(_box(box, placed.boxes[box.id]) for box in scene.boxes.values()),
        "</g>",
    ]
    width, height, alternative = placed.width + 2 * MARGIN, placed.height + 2 * MARGIN, _alternative(scene)
    svg, narrowest = svg_drawing.sheet(width, height, alternative, "".join(inside))
    return saved.picture(svg, alternative), narrowest


def _width(box: Box) -> float:
    title = len(box.id) * TITLE_LETTER + 58
    return min(WIDE, max(NARROW, title, len(box.text) * LETTER + 24))


def _box(box: Box, placed: PlacedBox) -> str:
    x, y, right = placed.x, placed.y, placed.x + placed.width
    letters = int((placed.width - 22) / LETTER)
    described = cut(f"{box.id} ({box.kind}), {box.tasks} tasks: {box.text}", text_limits.SENTENCE)
    faint = f'fill="{svg_drawing.FAINT}"'
    return (
        f"<g><title>{escape(described)}</title>"
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{placed.width:.1f}" height="{placed.height}" rx="7" '
        f'fill="{svg_drawing.CARD}" stroke="{svg_drawing.EDGE}"/>'
        f'<rect x="{x:.1f}" y="{y + 8:.1f}" width="3.5" height="{placed.height - 16}" rx="1.75" '
        f'fill="{ACCENTS[box.role]}"/>'
        f'<text x="{x + 13:.1f}" y="{y + 20:.1f}" font-size="12.5" font-weight="600">'
        f"{escape(cut(box.id, int((placed.width - 54) / TITLE_LETTER)))}</text>"
        f'<text x="{right - 9:.1f}" y="{y + 20:.1f}" text-anchor="end" {faint}>&#215;{box.tasks}</text>'
        f'<text x="{x + 13:.1f}" y="{y + 38:.1f}" {faint}>{escape(cut(box.text, letters))}</text></g>'
    )


def _alternative(scene: Scene) -> str:
    name = {box: cut(box, text_limits.NAME) for box in scene.boxes}
    return "Job graph: " + "; ".join(f"{name[link.up]} to {name[link.down]}" for link in scene.links)
