"""Drawing of graphs, without domain words: layered layout, crossings, boxes and lines as text."""

from sabotnb.diagram.layered_layout import Layout, LayoutBox, Point, Size, layout
from sabotnb.diagram.text_drawing import picture

__all__ = [
    "Layout",
    "LayoutBox",
    "Point",
    "Size",
    "layout",
    "picture",
]
