"""What a picture of a job shows, before it is drawn as SVG or as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sabotnb import plan
from sabotnb.display import operator_labels
from sabotnb.graph import JobGraph, Operator
from sabotnb.plan import ShuffleEdge


@dataclass(frozen=True, slots=True)
class Box:
    """One operator. ``role`` is source, sink or operator; ``tasks`` its parallelism."""

    id: str
    kind: str
    role: str
    text: str
    tasks: int


@dataclass(frozen=True, slots=True)
class Link:
    """An edge between two boxes, before it has coordinates.

    ``type`` is that of an ``EdgeType``; empty for a link that stands for edges of several types. ``label`` says how
    rows are partitioned; empty if they stay in their task. ``edges`` are the indexes of the execution graph's edges
    whose metrics the link shows.
    """

    up: str
    down: str
    type: str
    label: str
    edges: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """Boxes in topological order, and the links between them."""

    boxes: Mapping[str, Box]
    links: tuple[Link, ...]

    def without_sinks(self) -> Scene:
        """The same, for a stream that has no sink of its own."""
        kept = {name: box for name, box in self.boxes.items() if box.role != "sink"}
        return Scene(kept, tuple(link for link in self.links if link.down in kept))


def scene_of(graph: JobGraph, parallelism: int) -> Scene:
    """The operators of ``graph``, with the tasks and the edges that they would have if each ran by itself."""
    execution = plan.physical(graph, parallelism, chain=False)
    boxes = {
        name: _box(graph.operators[name], vertex.parallelism, [one for schema in vertex.inputs for one in schema.names])
        for name, vertex in execution.vertices.items()
    }
    return Scene(boxes, tuple(_link(edge) for edge in execution.edges))


def _box(operator: Operator, tasks: int, columns: Sequence[str]) -> Box:
    spec = operator.spec
    return Box(operator.id, spec.kind, operator_labels.role(spec), operator_labels.brief(spec, columns), tasks)


def _link(edge: ShuffleEdge) -> Link:
    return Link(edge.up, edge.down, edge.type.value, operator_labels.label(edge))
