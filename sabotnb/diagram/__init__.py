"""Drawing of directed graphs, without domain words: layered layout, line routing, and rendering as SVG and as text."""

from sabotnb.diagram import svg_drawing
from sabotnb.diagram.layered_layout import Layout, layout
from sabotnb.diagram.line_routing import LETTER, Spacing, route_lines
from sabotnb.diagram.shapes import PlacedBox, PlacedDiagram, PlacedLine, Point, Size
from sabotnb.diagram.text_drawing import picture

__all__ = [
    "LETTER",
    "Layout",
    "PlacedBox",
    "PlacedDiagram",
    "PlacedLine",
    "Point",
    "Size",
    "Spacing",
    "layout",
    "picture",
    "route_lines",
    "svg_drawing",
]
