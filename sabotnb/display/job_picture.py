"""A job's graph with every place computed: what the static picture, the widget and the golden tests draw.

Plain data. Lengths are CSS pixels; paths are SVG path data. Nothing here changes while a job runs: figures come from
``JobMetrics``, by the ids of vertices and the indexes of edges.
"""

from __future__ import annotations

from dataclasses import dataclass

from sabotnb.diagram import PlacedBox, PlacedLine


@dataclass(frozen=True, slots=True)
class PictureNode(PlacedBox):
    """A box: an operator, a chain of them, or a group of many.

    ``vertices`` are the vertices whose figures it shows: one, several for a group, none for an operator that the
    optimizer has taken away (``note`` then says where it went). ``operators`` are what it stands for.
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
    """An edge between nodes. ``edges`` are the edges of the execution graph whose figures it shows.

    ``type`` is that of an ``EdgeType``; empty where a group has edges of several.
    """

    up: str
    down: str
    type: str
    edges: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class View:
    """One level of the job: logical (as written) or optimized (as it runs, a box per chain), a margin around it."""

    name: str
    nodes: tuple[PictureNode, ...]
    lines: tuple[Line, ...]
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class OperatorCard:
    """What the side panel says of an operator that does not change: where it was written, what it gives."""

    id: str
    kind: str
    text: str
    vertex: str
    """The vertex in whose tasks it runs; empty if the optimizer has taken it away."""
    origin: str
    """``cell [3], line 2`` or ``etl.py:41``."""
    code: str
    """The user's function where there is one, else the line that made the operator."""
    columns: tuple[tuple[str, str], ...]
    """Name and Arrow type of each column that leaves it."""
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JobPicture:
    """The views of one run, and its operators as written and as they run."""

    views: tuple[View, ...]
    operators: tuple[OperatorCard, ...]
