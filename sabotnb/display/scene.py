"""The boxes and links of a job graph's picture, before layout and rendering."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sabotnb import plan
from sabotnb.display import operator_labels
from sabotnb.graph import JobGraph, Operator
from sabotnb.plan import ShuffleEdge


@dataclass(frozen=True, slots=True)
class Box:
    """The box of an operator. ``role`` is source, sink or operator; ``tasks`` is its parallelism."""

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
    """The boxes of a picture by operator id, in topological order, and the links between them."""

    boxes: Mapping[str, Box]
    links: tuple[Link, ...]

    def without_sinks(self) -> Scene:
        """Return the scene without its sinks: the sink of a stream's card exists only so that the graph is complete."""
        kept = {name: box for name, box in self.boxes.items() if box.role != "sink"}
        return Scene(kept, tuple(link for link in self.links if link.down in kept))


def scene_of(graph: JobGraph, parallelism: int) -> Scene:
    """Return the operators of ``graph`` with the tasks and edges that they would have without chaining."""
    execution = plan.physical(graph, parallelism, chain=False)
    boxes = {
        name: _box(
            graph.operators[name], vertex.parallelism, [column for schema in vertex.inputs for column in schema.names]
        )
        for name, vertex in execution.vertices.items()
    }
    return Scene(boxes, tuple(_link(edge) for edge in execution.edges))


def _box(operator: Operator, tasks: int, columns: Sequence[str]) -> Box:
    spec = operator.spec
    return Box(operator.id, spec.kind, operator_labels.role(spec), operator_labels.brief(spec, columns), tasks)


def _link(edge: ShuffleEdge) -> Link:
    return Link(edge.up, edge.down, edge.type.value, operator_labels.label(edge))
