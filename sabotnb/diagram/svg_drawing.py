"""Drawing of diagrams as static SVG: the sheet, lines with arrow heads, and the colours.

Presentation attributes only, no style sheet, no script: the SVG looks the same wherever a page shows it. Colours are
variables of a notebook's theme, each with a default for pages without one.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from sabotnb.diagram.line_routing import ARROW
from sabotnb.diagram.shapes import PlacedLine

PAGE = 900.0
"""Pixels; a wider diagram is scaled down, to ``SMALLEST`` at the least, and then it scrolls."""
SMALLEST = 0.75

SANS = "system-ui,-apple-system,'Segoe UI','DejaVu Sans',Helvetica,Arial,sans-serif"
CARD = "var(--jp-layout-color1,#ffffff)"
TINT = "var(--jp-layout-color2,#eef2f7)"
FRAME = "var(--jp-border-color2,#dbe3ec)"
EDGE = "var(--jp-border-color1,#c3cedb)"
INK = "var(--jp-ui-font-color1,#1e293b)"
FAINT = "var(--jp-ui-font-color2,#64748b)"
LABEL = "#3b82f6"


@dataclass(frozen=True, slots=True)
class Stroke:
    """The colour and the width of a line."""

    colour: str
    width: float


THIN = Stroke("#8a99ad", 1.5)
THICK = Stroke("#3b82f6", 2.2)


def sheet(width: float, height: float, alternative: str, inside: str) -> tuple[str, float]:
    """Return an ``<svg>`` around ``inside`` with a background, and the least width to show it at, in pixels."""
    scale = min(1.0, max(SMALLEST, PAGE / width))
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * scale:.1f}" height="{height * scale:.1f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(alternative)}" '
        f'font-family="{SANS}" font-size="11" fill="{INK}">'
    )
    frame = f'x="0.5" y="0.5" width="{width - 1:.0f}" height="{height - 1:.0f}" rx="8"'
    ground = f'<rect {frame} fill="{CARD}"/><rect {frame} fill="{TINT}" fill-opacity="0.4" stroke="{FRAME}"/>'
    return f"{opening}{ground}{inside}</svg>", width * SMALLEST


def arrow(line: PlacedLine, stroke: Stroke) -> str:
    """Return a line with its arrow head and its label."""
    x, y = line.tip
    tip = f"M{x - ARROW:.1f} {y - 4:.1f}L{x:.1f} {y:.1f}L{x - ARROW:.1f} {y + 4:.1f}Z"
    drawn = (
        f'<path d="{line.path}" fill="none" stroke="{stroke.colour}" stroke-width="{stroke.width}"/>'
        f'<path d="{tip}" fill="{stroke.colour}"/>'
    )
    if not line.label:
        return drawn
    x, y = line.label_at
    return drawn + f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="end" fill="{LABEL}">{escape(line.label)}</text>'
