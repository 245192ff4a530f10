"""Reorders the nodes of each layer of a layered graph, so that few edges cross.

After E. Gansner, E. Koutsofios, S. North, K.-P. Vo, "A technique for drawing directed graphs", IEEE Trans. Software
Engineering 19(3), 1993, section 3. Crossings are counted as in W. Barth, M. Jünger, P. Mutzel, "Simple and efficient
bilayer cross counting", Graph Drawing 2002.

Theory of operation. Every link joins neighbouring layers (the caller splits longer edges at bends). A pass alternates
two steps: a *sweep* sorts each layer by the mean or the median rank of its neighbours in the layer before it, down and
up in turn; an *exchange* swaps neighbours within a layer while a swap saves a crossing. A sweep may make the order
worse, which is how a pass leaves a local minimum, so the pass keeps the best order that it met. Three passes run: means
(K. Sugiyama et al., 1981) and medians from the input order, as neither is always better, and means from a depth-first
order. The result never has more crossings than the input order, and it is deterministic: sorts are
stable, and every second pair of sweeps reverses nodes that tie.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Sequence
from itertools import pairwise

SWEEPS = 24
PATIENCE = 4
"""A pass ends after this number of sweeps in a row without an improvement."""

Layers = list[list[int]]
Neighbours = Sequence[Sequence[int]]


def uncrossed(layers: Sequence[Sequence[str]], links: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Return ``layers`` with the nodes of each reordered; ``links`` join nodes of neighbouring layers.

    The order stays the same if no other order has fewer crossings. Deterministic.
    """
    names = [name for layer in layers for name in layer]
    number = {name: rank for rank, name in enumerate(names)}
    graph = _Graph(len(names), [(number[up], number[down]) for up, down in links])
    initial = [[number[name] for name in layer] for layer in layers]
    best, fewest = initial, graph.crossings(initial)
    for start, middle in ((initial, _mean), (initial, _median), (graph.by_depth(initial), _mean)):
        if not fewest:
            break
        order, crossings = graph.improved(start, middle)
        if crossings < fewest:
            best, fewest = order, crossings
    return [[names[node] for node in layer] for layer in best]


def _mean(ranks: list[int]) -> float:
    return sum(ranks) / len(ranks)


def _median(ranks: list[int]) -> float:
    """Return the median; of an even number of ranks a value between the middle two, nearer to the denser side."""
    middle = len(ranks) // 2
    if len(ranks) % 2:
        return float(ranks[middle])
    left, right = ranks[middle - 1] - ranks[0], ranks[-1] - ranks[middle]
    if left == right:
        return (ranks[middle - 1] + ranks[middle]) / 2
    return (ranks[middle - 1] * right + ranks[middle] * left) / (left + right)


class _Graph:
    """Nodes as numbers, each with its neighbours in the layers above and below, and its rank in its layer."""

    def __init__(self, nodes: int, links: Sequence[tuple[int, int]]) -> None:
        self.above: list[list[int]] = [[] for _ in range(nodes)]
        self.below: list[list[int]] = [[] for _ in range(nodes)]
        self.rank = [0] * nodes
        for up, down in links:
            self.above[down].append(up)
            self.below[up].append(down)

    def crossings(self, layers: Layers) -> int:
        """Return the number of pairs of links that cross."""
        total = 0
        for upper, lower in pairwise(layers):
            ranks = {node: rank for rank, node in enumerate(lower)}
            seen: list[int] = []  # sorted lower ends of the links so far: those right of an end cross its link
            for node in upper:
                ends = [ranks[other] for other in self.below[node]]
                total += sum(len(seen) - bisect_right(seen, end) for end in ends)
                for end in ends:
                    insort(seen, end)
        return total

    def by_depth(self, layers: Layers) -> Layers:
        """Return each layer in the order in which a depth-first walk from the last layer upwards visits its nodes."""
        met: dict[int, int] = {}
        waiting = [node for layer in layers for node in reversed(layer)]
        while waiting:
            node = waiting.pop()
            if node not in met:
                met[node] = len(met)
                waiting.extend(reversed(self.above[node]))
        return [sorted(layer, key=met.__getitem__) for layer in layers]

    def improved(self, start: Layers, middle: Callable[[list[int]], float]) -> tuple[Layers, int]:
        """Return the best order of a pass of sweeps from ``start``, and its number of crossings."""
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
            self.rank[node] = rank

    def _sweep(self, layers: Layers, middle: Callable[[list[int]], float], *, down: bool, turn: bool) -> None:
        """Sort each layer by the ranks of its neighbours in the layer before; ``turn`` reverses nodes that tie."""
        neighbours = self.above if down else self.below
        for layer in layers if down else reversed(layers):
            wanted = {
                node: middle(sorted(self.rank[other] for other in neighbours[node]))
                for node in layer
                if neighbours[node]
            }
            layer[:] = _sorted(layer, wanted, turn=turn)
            self._settle(layer)

    def _exchange(self, layers: Layers) -> None:
        """Swap neighbours within layers while a swap saves a crossing."""
        improved = True
        while improved:
            improved = False
            for layer in layers:
                sides = [
                    {node: sorted(self.rank[other] for other in neighbours[node]) for node in layer}
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
    """Return the layer with the nodes in ``wanted`` sorted among themselves; the others keep their positions."""
    movable = [node for node in layer if node in wanted]
    ordered = iter(sorted(reversed(movable) if turn else movable, key=wanted.__getitem__))
    return [next(ordered) if node in wanted else node for node in layer]


def _pairs(left: Sequence[int], right: Sequence[int]) -> int:
    """Return the crossings among the links of two neighbours; ``left`` and ``right`` are their sorted ends."""
    return sum(bisect_left(right, end) for end in left)
