"""Sort a graph topologically, report cycles, and find reachable nodes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from sabotnb.errors import GraphError


def topological_order(nodes: Iterable[str], edges: Sequence[tuple[str, str]]) -> list[str]:
    """Return ``nodes`` so that each follows all nodes that it reads; ties keep the order of ``nodes``.

    A. B. Kahn, "Topological sorting of large networks", CACM 5(11), 1962: take nodes without unread inputs until
    none is left. GraphError names a cycle if there is one.
    """
    listed = list(nodes)
    unread = dict.fromkeys(listed, 0)
    readers: dict[str, list[str]] = {node: [] for node in listed}
    for up, down in edges:
        unread[down] += 1
        readers[up].append(down)
    ready = deque(node for node in listed if not unread[node])
    order = []
    while ready:
        node = ready.popleft()
        order.append(node)
        for reader in readers[node]:
            unread[reader] -= 1
            if not unread[reader]:
                ready.append(reader)
    if len(order) < len(listed):
        cycle = _cycle_among([node for node in listed if unread[node]], edges)
        raise GraphError(f"the job graph has a cycle: {' -> '.join(cycle)}; remove one of these edges")
    return order


def _cycle_among(nodes: Sequence[str], edges: Iterable[tuple[str, str]]) -> list[str]:
    """Walk upstream until a node repeats; each of ``nodes`` reads another, as it would have been sorted otherwise."""
    left = set(nodes)
    writer = {down: up for up, down in edges if up in left and down in left}
    path = [nodes[0]]
    while (node := writer[path[-1]]) not in path:
        path.append(node)
    return [node, *reversed(path[path.index(node) :])]


def reachable(start: Iterable[str], edges: Iterable[tuple[str, str]]) -> set[str]:
    """Return ``start`` and every node that a path of edges leads to from there."""
    next_of: dict[str, list[str]] = {}
    for up, down in edges:
        next_of.setdefault(up, []).append(down)
    seen = set(start)
    waiting = list(seen)
    while waiting:
        for node in next_of.get(waiting.pop(), ()):
            if node not in seen:
                seen.add(node)
                waiting.append(node)
    return seen
