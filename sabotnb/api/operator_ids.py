"""The ids of the operators of a plan: their names, or their kinds with numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sabotnb.api.stream_node import StreamNode


def operator_ids(nodes: Sequence[StreamNode]) -> dict[StreamNode, str]:
    """Return the id of each node; ``nodes`` are all nodes of a plan, inputs first, and their names differ."""
    given = {node.naming.name for node in nodes}
    ids: dict[StreamNode, str] = {}
    running: Counter[str] = Counter()
    for node in nodes:
        if node.naming.name is not None:
            ids[node] = node.naming.name
            continue
        kind = node.spec.kind
        while (candidate := f"{kind}_{running[kind]}") in given:
            running[kind] += 1
        running[kind] += 1
        ids[node] = candidate
    return ids
