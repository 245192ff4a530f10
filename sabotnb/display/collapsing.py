"""A graph that is too large to be read, made smaller: chains and groups of operators become one node each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

from sabotnb.display.job_picture import PictureNode
from sabotnb.display.scene import Link
from sabotnb.topology import topological_order

MOST = 60
"""Nodes of a picture."""

Graph = tuple[Sequence[PictureNode], Sequence[Link]]
Group = Sequence[str]


def collapsed(nodes: Sequence[PictureNode], links: Sequence[Link], most: int = MOST) -> Graph:
    """The same graph with at most ``most`` nodes; nothing changes if it has no more.

    Neighbours in chains are joined first, then nodes that read the same and are read by the same, then a layer's.
    """
    while len(nodes) > most:
        groups = _chains(nodes, links) or _alike(nodes, links) or _layers(nodes, links)
        nodes, links = _joined(nodes, links, groups)
    return nodes, links


def _chains(nodes: Sequence[PictureNode], links: Sequence[Link]) -> list[Group]:
    """Pairs of nodes of which the upper is read by the lower alone, and the lower reads nothing else."""
    reads, read = Counter(link.down for link in links), Counter(link.up for link in links)
    taken: set[str] = set()
    pairs: list[Group] = []
    for link in _in_order(nodes, links):
        alone = read[link.up] == 1 and reads[link.down] == 1
        if alone and not taken & {link.up, link.down}:
            taken |= {link.up, link.down}
            pairs.append((link.up, link.down))
    return pairs


def _alike(nodes: Sequence[PictureNode], links: Sequence[Link]) -> list[Group]:
    """Nodes that read the same and are read by the same."""
    ends: dict[str, set[tuple[str, str]]] = {node.id: set() for node in nodes}
    for link in links:
        ends[link.up].add(("to", link.down))
        ends[link.down].add(("from", link.up))
    groups: dict[frozenset[tuple[str, str]], list[str]] = {}
    for name, neighbours in ends.items():
        groups.setdefault(frozenset(neighbours), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _layers(nodes: Sequence[PictureNode], links: Sequence[Link]) -> list[Group]:
    """Pairs of nodes of one layer, else of layers that follow each other: no edge can lead back from these."""
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
    """Links in topological order of their upper ends."""
    order = topological_order([node.id for node in nodes], [(link.up, link.down) for link in links])
    rank = {name: number for number, name in enumerate(order)}
    return sorted(links, key=lambda link: rank[link.up])


def _joined(nodes: Sequence[PictureNode], links: Sequence[Link], groups: Iterable[Group]) -> Graph:
    """The graph with one node for each group, called as its first; links between the same two become one."""
    by_id = {node.id: node for node in nodes}
    heir = {name: group[0] for group in groups for name in group}
    groups = {group[0]: _group([by_id[name] for name in group]) for group in groups}
    kept = [groups.get(node.id, node) for node in nodes if heir.get(node.id, node.id) == node.id]
    merged: dict[tuple[str, str], Link] = {}
    for link in links:
        up, down = heir.get(link.up, link.up), heir.get(link.down, link.down)
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


def _both(one: Link, other: Link) -> Link:
    edges = one.edges + other.edges
    label = one.label if one.label == other.label else f"{len(edges)} edges"
    return replace(one, label=label, type=one.type if one.type == other.type else "", edges=edges)
