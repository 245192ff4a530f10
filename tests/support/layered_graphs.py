"""Random layered graphs, the same on every machine, and the number of crossing lines of a layout.

The crossings in layouts of dagre are in tests/diagram/dagre_crossings.json. To re-create the file, run from the root:
``npm install --no-save --prefix widgets @dagrejs/dagre@3.1.3``, then
``.venv/bin/python tests/support/layered_graphs.py | node widgets/dev/dagre_crossings.mjs > FILE``.
"""

import json
import sys
from collections import defaultdict
from itertools import combinations
from random import Random

GRAPHS = 40
SIZE = 10.0
"""Width and height of every node; equal sizes make the gap between layers follow from a line's coordinates."""


def layered_graph(seed: int) -> tuple[list[str], list[tuple[str, str]]]:
    """Return nodes and edges: 3 to 9 layers of 2 to 8 nodes, each with edges to one to three nodes of later layers."""
    random = Random(seed)
    widths = [2 + int(random.random() * 7) for _ in range(3 + int(random.random() * 7))]
    layers = [[f"n{number}_{rank}" for rank in range(width)] for number, width in enumerate(widths)]
    edges: dict[tuple[str, str], None] = {}
    for number, layer in enumerate(layers[:-1]):
        for name in layer:
            for _ in range(1 + int(random.random() * 2.5)):
                later = min(len(layers) - 1, number + 1 + int(random.random() * 1.3))
                edges[name, layers[later][int(random.random() * widths[later])]] = None
    return [name for layer in layers for name in layer], list(edges)


def crossings(lines) -> int:
    """Count pairs of lines that cross in a gap between layers."""
    gaps = defaultdict(list)
    for line in lines:
        for (x0, y0), (_, y1) in zip(line[::2], line[1::2], strict=True):
            gaps[x0].append((y0, y1))
    pairs = (pair for runs in gaps.values() for pair in combinations(runs, 2))
    return sum((first[0] - second[0]) * (first[1] - second[1]) < 0 for first, second in pairs)


def main() -> None:
    """Print the graphs as JSON."""
    graphs = [layered_graph(seed) for seed in range(GRAPHS)]
    json.dump([{"nodes": nodes, "edges": edges} for nodes, edges in graphs], sys.stdout)


if __name__ == "__main__":
    main()
