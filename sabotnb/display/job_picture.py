"""A job's graph with all coordinates: the data that the static picture and the widget draw.

Plain data, sent to pages as JSON. Lengths are CSS pixels; paths are SVG path data. Nothing here changes while a job
runs: numbers come from ``JobMetrics``, by the ids of vertices and the indexes of edges.
"""

from __future__ import annotations

from dataclasses import dataclass

from sabotnb.diagram import PlacedBox, PlacedLine


@dataclass(frozen=True, slots=True)
class PictureNode(PlacedBox):
    """A box: an operator, a chain of them, or a group of many.

    ``vertices`` are the vertices whose metrics it shows: one, several for a group, none for an operator that the
    optimizer removed (``note`` then says where it went). ``operators`` are the ids of the operators in it.
    """

    id: str
    title: str
    kind: str
    role: str
    text: str
    tasks: int
    vertices: tuple[str, ...]
    operators: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Line(PlacedLine):
    """A line between nodes. ``edges`` are the indexes of the execution graph's edges whose metrics it shows.

    ``type`` is that of an ``EdgeType``; empty for a group with edges of several types.
    """

    up: str
    down: str
    type: str
    edges: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class View:
    """One level of the job, with a margin: logical (as written) or optimized (as it runs, a box per chain)."""

    name: str
    nodes: tuple[PictureNode, ...]
    lines: tuple[Line, ...]
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class OperatorCard:
    """The static part of the side panel of an operator: where it was written, and its output columns."""

    id: str
    kind: str
    text: str
    vertex: str
    """The vertex in whose tasks it runs; empty if the optimizer removed it."""
    origin: str
    """``cell [3], line 2`` or ``etl.py:41``."""
    code: str
    """The user's function if there is one, else the line that created the operator."""
    columns: tuple[tuple[str, str], ...]
    """Name and Arrow type of each output column."""
    notes: tuple[str, ...]
    filtered: str = ""
    """Of a source: the condition of the filter that runs in its files, whose other rows are not counted."""
    rows: int | None = None
    """Of a source: the rows before that filter, if they are known without reading them."""


@dataclass(frozen=True, slots=True)
class JobPicture:
    """The views of one run, and its operators as written and as they run.

    ``guarantee`` is a line about what the run promises about its output, ``guarantee_details`` what a failure does to
    it; empty for a run without output.
    """

    views: tuple[View, ...]
    operators: tuple[OperatorCard, ...]
    guarantee: str = ""
    guarantee_details: str = ""
