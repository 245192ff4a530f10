"""Computes a layered layout of an acyclic graph: coordinates of boxes, and a polyline per edge.

After K. Sugiyama, S. Tagawa, M. Toda, "Methods for visual understanding of hierarchical system structures", IEEE
Trans. SMC 11(2), 1981.

Theory of operation. Four steps, each on the result of the one before: (1) a layer per node by its longest path from a
source, except that a source is in the layer before its first reader; (2) an edge over several layers becomes a path of
bends, slots without size, so that every link joins neighbouring layers; (3) ``crossings`` orders each layer; (4) sweeps
move each slot to the mean of its neighbours' centres as far as the gaps allow, then layers are stacked. Steps 1 to 4
know only extents along a layer and across it; ``direction`` swaps x and y at both ends. The layout is
deterministic, because pictures in saved notebooks are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sabotnb.diagram.crossings import uncrossed
from sabotnb.diagram.shapes import PlacedBox, Point, Size
from sabotnb.topology import topological_order

SWEEPS = 8


@dataclass(frozen=True, slots=True)
class Layout:
    """Boxes by node, one polyline per edge in the order of the input, and the size of the whole layout.

    A polyline runs from the middle of the upper node's lower side (for ``direction="right"``: of its right side) to the
    middle of the opposite side of the lower node; edges over several layers have a bend in each gap between nodes.
    """

    boxes: Mapping[str, PlacedBox]
    lines: tuple[tuple[Point, ...], ...]
    width: float
    height: float


@dataclass(slots=True)
class _Slot:
    """A node or a bend: its extents ``along`` its layer and ``across`` it, and its centre in the layer."""

    along: float
    across: float
    centre: float = 0.0


def layout(
    sizes: Mapping[str, Size],
    edges: Sequence[tuple[str, str]],
    *,
    direction: str = "right",
    gap: float = 24.0,
    layer_gap: float = 56.0,
) -> Layout:
    """Return the layout of the nodes of ``sizes`` in layers from left to ``right``, or ``down``.

    ``gap`` is the least distance within a layer, ``layer_gap`` the distance between layers, both in the unit of sizes.
    GraphError if the edges form a cycle.
    """
    down = direction == "down"
    slots = {name: _Slot(w if down else h, h if down else w) for name, (w, h) in sizes.items()}
    paths, layers = _layers(slots, edges)
    links = [link for path in paths for link in pairwise(path)]
    layers = uncrossed(layers, links)
    _centre_slots(slots, layers, links, gap)
    starts, depth = _layer_starts(slots, layers, layer_gap)
    return _layout_of(sizes, slots, layers, paths, (starts, depth), down=down)


def _layers(slots: dict[str, _Slot], edges: Sequence[tuple[str, str]]) -> tuple[list[list[str]], list[list[str]]]:
    """Return the path of each edge through the layers, and the names in each layer; adds the bends to ``slots``."""
    order = topological_order(slots, edges)
    layer_of = dict.fromkeys(order, 0)
    readers: dict[str, list[str]] = {name: [] for name in order}
    for up, below in edges:
        readers[up].append(below)
    for name in order:
        for below in readers[name]:
            layer_of[below] = max(layer_of[below], layer_of[name] + 1)
    fed = {below for _, below in edges}
    for name in order:  # a source is beside its reader: layer 0 would draw a long edge over everything between
        if name not in fed:
            layer_of[name] = min((layer_of[below] for below in readers[name]), default=1) - 1
    layers: list[list[str]] = [[] for _ in range(max(layer_of.values(), default=-1) + 1)]
    for name in order:
        layers[layer_of[name]].append(name)
    paths = []
    for number, (up, below) in enumerate(edges):
        path = [up]
        for layer in range(layer_of[up] + 1, layer_of[below]):
            bend = f"\0{number}:{layer}"  # no node has such a name
            slots[bend] = _Slot(0.0, 0.0)
            layers[layer].append(bend)
            path.append(bend)
        paths.append([*path, below])
    return paths, layers


def _centre_slots(
    slots: Mapping[str, _Slot], layers: Sequence[Sequence[str]], links: Sequence[tuple[str, str]], gap: float
) -> None:
    """Centre each slot on its neighbours as far as the gaps within its layer allow."""
    neighbours: dict[str, tuple[list[str], list[str]]] = {name: ([], []) for name in slots}
    for up, low in links:
        neighbours[low][0].append(up)
        neighbours[up][1].append(low)
    for layer in layers:
        _spread(slots, layer, [0.0] * len(layer), gap)
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        for layer in layers if forward else reversed(layers):
            wanted = []
            for name in layer:
                linked = neighbours[name][0 if forward else 1] or neighbours[name][1 if forward else 0]
                centres = [slots[other].centre for other in linked]
                wanted.append(sum(centres) / len(centres) if centres else slots[name].centre)
            _spread(slots, layer, wanted, gap)
    lowest = min((slot.centre - slot.along / 2 for slot in slots.values()), default=0.0)
    for slot in slots.values():
        slot.centre -= lowest


def _spread(slots: Mapping[str, _Slot], layer: Sequence[str], wanted: Sequence[float], gap: float) -> None:
    """Set the centres of a layer's slots: in order, ``gap`` apart, with the least squared distance from ``wanted``.

    Slots that would overlap form a block at the mean of their wanted positions (pool adjacent violators).
    """
    offsets = [0.0]
    for left, right in pairwise(layer):
        offsets.append(offsets[-1] + (slots[left].along + slots[right].along) / 2 + gap)
    blocks: list[tuple[float, int]] = []
    for offset, centre in zip(offsets, wanted, strict=True):
        mean, count = centre - offset, 1
        while blocks and blocks[-1][0] > mean:
            before, members = blocks.pop()
            mean = (before * members + mean * count) / (members + count)
            count += members
        blocks.append((mean, count))
    bases = [mean for mean, count in blocks for _ in range(count)]
    for name, base, offset in zip(layer, bases, offsets, strict=True):
        slots[name].centre = base + offset


def _layer_starts(
    slots: Mapping[str, _Slot], layers: Sequence[Sequence[str]], layer_gap: float
) -> tuple[list[float], list[float]]:
    """Return where each layer begins, and how deep it is."""
    depth = [max((slots[name].across for name in layer), default=0.0) for layer in layers]
    starts = [sum(depth[:number]) + number * layer_gap for number in range(len(layers))]
    return starts, depth


def _layout_of(
    sizes: Mapping[str, Size],
    slots: Mapping[str, _Slot],
    layers: Sequence[Sequence[str]],
    paths: Sequence[Sequence[str]],
    extent: tuple[Sequence[float], Sequence[float]],
    *,
    down: bool,
) -> Layout:
    starts, depth = extent
    layer_of = {name: number for number, layer in enumerate(layers) for name in layer}

    def point(along: float, across: float) -> Point:
        return (round(along, 2), round(across, 2)) if down else (round(across, 2), round(along, 2))

    boxes = {}
    for name, (width, height) in sizes.items():
        slot, number = slots[name], layer_of[name]
        inset = (depth[number] - slot.across) / 2
        boxes[name] = PlacedBox(*point(slot.centre - slot.along / 2, starts[number] + inset), width, height)
    lines = []
    for path in paths:
        line = []
        for rank, name in enumerate(path):
            slot, number = slots[name], layer_of[name]
            inset = (depth[number] - slot.across) / 2 if name in sizes else 0.0
            if rank > 0:
                line.append(point(slot.centre, starts[number] + inset))
            if rank < len(path) - 1:
                line.append(point(slot.centre, starts[number] + depth[number] - inset))
        lines.append(tuple(line))
    bends = [bend for line in lines for bend in line]
    width = max([box.x + box.width for box in boxes.values()] + [x for x, _ in bends], default=0.0)
    height = max([box.y + box.height for box in boxes.values()] + [y for _, y in bends], default=0.0)
    return Layout(boxes, tuple(lines), width, height)
