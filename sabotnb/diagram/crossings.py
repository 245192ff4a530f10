"""The order of nodes within layers, so that few lines cross.

After E. Gansner, E. Koutsofios, S. North, K.-P. Vo, "A technique for drawing directed graphs", IEEE Trans. Software
Engineering 19(3), 1993, section 3: sweeps that sort each layer by its neighbours' places, then exchanges of neighbours
within a layer as long as one saves a crossing. Sorting goes by medians in one run and by means (K. Sugiyama et al.,
1981) in another: neither is always better. Crossings are counted as in W. Barth, M. Jünger, P. Mutzel, "Simple and
efficient bilayer cross counting", Graph Drawing 2002.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Sequence
from itertools import pairwise

SWEEPS = 24
PATIENCE = 4
"""Sweeps in a row that may bring nothing before a run ends."""

Layers = list[list[int]]
Neighbours = Sequence[Sequence[int]]


def uncrossed(layers: Sequence[Sequence[str]], links: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Reorder within layers; ``links`` join neighbouring ones. The given order stays if no other has fewer crossings.

    Deterministic.
    """
    names = [name for layer in layers for name in layer]
    number = {name: rank for rank, name in enumerate(names)}
    graph = _Graph(len(names), [(number[up], number[down]) for up, down in links])
    given = [[number[name] for name in layer] for layer in layers]
    best, fewest = given, graph.crossings(given)
    for start, middle in ((given, _mean), (given, _median), (graph.by_depth(given), _mean)):
        if not fewest:
            break
        found, crossings = graph.improved(start, middle)
        if crossings < fewest:
            best, fewest = found, crossings
    return [[names[node] for node in layer] for layer in best]


def _mean(places: list[int]) -> float:
    return sum(places) / len(places)


def _median(places: list[int]) -> float:
    """Of an even number of places a value between the middle two, nearer to the side that is denser."""
    middle = len(places) // 2
    if len(places) % 2:
        return float(places[middle])
    left, right = places[middle - 1] - places[0], places[-1] - places[middle]
    if left == right:
        return (places[middle - 1] + places[middle]) / 2
    return (places[middle - 1] * right + places[middle] * left) / (left + right)


class _Graph:
    """Nodes as numbers, each with its neighbours in the layer above and in the one below."""

    def __init__(self, nodes: int, links: Sequence[tuple[int, int]]) -> None:
        self.above: list[list[int]] = [[] for _ in range(nodes)]
        self.below: list[list[int]] = [[] for _ in range(nodes)]
        self.place = [0] * nodes
        for up, down in links:
            self.above[down].append(up)
            self.below[up].append(down)

    def crossings(self, layers: Layers) -> int:
        """Pairs of links between neighbouring layers that cross."""
        total = 0
        for upper, lower in pairwise(layers):
            place = {node: rank for rank, node in enumerate(lower)}
            seen: list[int] = []
            for node in upper:
                ends = [place[other] for other in self.below[node]]
                total += sum(len(seen) - bisect_right(seen, end) for end in ends)
                for end in ends:
                    insort(seen, end)
        return total

    def by_depth(self, layers: Layers) -> Layers:
        """Each layer in the order in which a depth-first walk from the last layer upwards meets its nodes."""
        met: dict[int, int] = {}
        waiting = [node for layer in layers for node in reversed(layer)]
        while waiting:
            node = waiting.pop()
            if node not in met:
                met[node] = len(met)
                waiting.extend(reversed(self.above[node]))
        return [sorted(layer, key=met.__getitem__) for layer in layers]

    def improved(self, start: Layers, middle: Callable[[list[int]], float]) -> tuple[Layers, int]:
        """The best order that sweeps from ``start`` come by, and its crossings."""
        layers = [list(layer) for layer in start]
        for layer in layers:
            self._settle(layer)
        best, fewest = start, self.crossings(start)
        idle = 0
        for sweep in range(SWEEPS):
            self._sweep(layers, middle, down=sweep % 2 == 0, turn=sweep % 4 > 1)
            self._exchange(layers)
            crossings = self.crossings(layers)
            idle += 1
            if crossings < fewest:
                best, fewest, idle = [list(layer) for layer in layers], crossings, 0
            if not fewest or idle == PATIENCE:
                break
        return best, fewest

    def _settle(self, layer: Sequence[int]) -> None:
        for rank, node in enumerate(layer):
            self.place[node] = rank

    def _sweep(self, layers: Layers, middle: Callable[[list[int]], float], *, down: bool, turn: bool) -> None:
        """Sort each layer by the places of its neighbours before it; ``turn`` reverses those that tie."""
        neighbours = self.above if down else self.below
        for layer in layers if down else reversed(layers):
            wanted = {
                node: middle(sorted(self.place[other] for other in neighbours[node]))
                for node in layer
                if neighbours[node]
            }
            layer[:] = _sorted(layer, wanted, turn=turn)
            self._settle(layer)

    def _exchange(self, layers: Layers) -> None:
        """Exchange neighbours within layers as long as one exchange saves a crossing."""
        improved = True
        while improved:
            improved = False
            for layer in layers:
                sides = [
                    {node: sorted(self.place[other] for other in neighbours[node]) for node in layer}
                    for neighbours in (self.above, self.below)
                ]
                for rank in range(len(layer) - 1):
                    left, right = layer[rank], layer[rank + 1]
                    saved = sum(_pairs(side[left], side[right]) - _pairs(side[right], side[left]) for side in sides)
                    if saved > 0:
                        layer[rank], layer[rank + 1] = right, left
                        improved = True
                self._settle(layer)


def _sorted(layer: Sequence[int], wanted: dict[int, float], *, turn: bool) -> list[int]:
    """Nodes with a wish among themselves in its order; those without keep their places."""
    movable = [node for node in layer if node in wanted]
    ordered = iter(sorted(reversed(movable) if turn else movable, key=wanted.__getitem__))
    return [next(ordered) if node in wanted else node for node in layer]


def _pairs(left: Sequence[int], right: Sequence[int]) -> int:
    """Crossings of the links of two nodes beside each other, whose ends are sorted."""
    return sum(bisect_left(right, end) for end in left)
