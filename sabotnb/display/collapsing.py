"""Reduces a graph that is too large to read: chains and groups of operators become one node each.

Rounds of joining repeat until the graph is small enough. A round joins pairs in chains; if there are none, nodes with
the same neighbours; if there are none, nodes of one layer. The last always finds a pair, so the loop ends. No join
creates a cycle, which the layout would refuse: nothing lies between the members of a group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

from sabotnb.display.job_picture import PictureNode
from sabotnb.display.scene import Link
from sabotnb.topology import topological_order

MOST = 60
"""The maximum number of nodes in a picture."""

Graph = tuple[Sequence[PictureNode], Sequence[Link]]
Group = Sequence[str]


def collapsed(nodes: Sequence[PictureNode], links: Sequence[Link], most: int = MOST) -> Graph:
    """Return the graph with at most ``most`` nodes; unchanged if it is small enough."""
    while len(nodes) > most:
        groups = _chains(nodes, links) or _alike(nodes, links) or _layers(nodes, links)
        nodes, links = _joined(nodes, links, groups)
    return nodes, links


def _chains(nodes: Sequence[PictureNode], links: Sequence[Link]) -> list[Group]:
    """Return pairs of nodes where only the lower reads the upper, and the lower reads nothing else."""
    reads, read = Counter(link.down for link in links), Counter(link.up for link in links)
    taken: set[str] = set()
    pairs: list[Group] = []
    for link in _in_order(nodes, links):
        exclusive = read[link.up] == 1 and reads[link.down] == 1
        if exclusive and not taken & {link.up, link.down}:
            taken |= {link.up, link.down}
            pairs.append((link.up, link.down))
    return pairs


def _alike(nodes: Sequence[PictureNode], links: Sequence[Link]) -> list[Group]:
    """Return groups of nodes that have the same inputs and the same readers."""
    ends: dict[str, set[tuple[str, str]]] = {node.id: set() for node in nodes}
    for link in links:
        ends[link.up].add(("to", link.down))
        ends[link.down].add(("from", link.up))
    groups: dict[frozenset[tuple[str, str]], list[str]] = {}
    for name, neighbours in ends.items():
        groups.setdefault(frozenset(neighbours), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _layers(nodes: Sequence[PictureNode], links: Sequence[Link]) -> list[Group]:
    """Return pairs of nodes of one layer, else of neighbours in the order of layers: neither creates a cycle."""
    depth = dict.fromkeys((node.id for node in nodes), 0)
    for link in _in_order(nodes, links):
        depth[link.down] = max(depth[link.down], depth[link.up] + 1)
    layers: dict[int, list[str]] = {}
    for name in depth:
        layers.setdefault(depth[name], []).append(name)
    within = [pair for layer in layers.values() for pair in _pairs(layer)]
    return within or _pairs(list(chain.from_iterable(layers[number] for number in sorted(layers))))


def _pairs(names: Sequence[str]) -> list[Group]:
    return list(zip(names[::2], names[1::2], strict=False))


def _in_order(nodes: Sequence[PictureNode], links: Sequence[Link]) -> list[Link]:
    """Return links in topological order of their upper ends."""
    order = topological_order([node.id for node in nodes], [(link.up, link.down) for link in links])
    rank = {name: number for number, name in enumerate(order)}
    return sorted(links, key=lambda link: rank[link.up])


def _joined(nodes: Sequence[PictureNode], links: Sequence[Link], groups: Iterable[Group]) -> Graph:
    """Return the graph with a node per group, named as the group's first member; parallel links become one."""
    by_id = {node.id: node for node in nodes}
    representative = {name: group[0] for group in groups for name in group}
    groups = {group[0]: _group([by_id[name] for name in group]) for group in groups}
    kept = [groups.get(node.id, node) for node in nodes if representative.get(node.id, node.id) == node.id]
    merged: dict[tuple[str, str], Link] = {}
    for link in links:
        up, down = representative.get(link.up, link.up), representative.get(link.down, link.down)
        if up != down:
            same = merged.get((up, down))
            redirected = replace(link, up=up, down=down)
            merged[up, down] = redirected if same is None else _both(same, redirected)
    return kept, list(merged.values())


def _group(members: Sequence[PictureNode]) -> PictureNode:
    first = members[0]
    operators = tuple(chain.from_iterable(node.operators for node in members))
    kinds = Counter(node.kind for node in members)
    roles = {node.role for node in members}
    return replace(
        first,
        title=f"{len(operators)} operators: {operators[0]}",
        kind=first.kind if len(kinds) == 1 else "group",
        role=first.role if len(roles) == 1 else "source" if "source" in roles else "operator",
        text=", ".join(operators[1:]),
        tasks=sum(node.tasks for node in members),
        vertices=tuple(dict.fromkeys(chain.from_iterable(node.vertices for node in members))),
        operators=operators,
        note="",
    )


def _both(first: Link, second: Link) -> Link:
    edges = first.edges + second.edges
    label = first.label if first.label == second.label else f"{len(edges)} edges"
    return replace(first, label=label, type=first.type if first.type == second.type else "", edges=edges)
