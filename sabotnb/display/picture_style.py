"""Colours of operators by their role, and strokes of edges by their type, in every static picture of a job."""

from __future__ import annotations

from sabotnb.diagram import svg_drawing
from sabotnb.graph import EdgeType

ACCENTS = {"source": "#14a394", "operator": "#6b7a90", "sink": "#d97706"}


def stroke(edge_type: str) -> svg_drawing.Stroke:
    """Return the stroke of an edge: thin and grey if its rows stay in their task, else thick and blue."""
    return svg_drawing.THIN if edge_type == EdgeType.FORWARD.value else svg_drawing.THICK
