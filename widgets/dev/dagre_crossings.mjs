// How many lines cross in dagre's layouts, to compare ours with: graphs as JSON on stdin, counts on stdout.
// tests/support/layered_graphs.py says how to run it.
import { readFileSync } from "node:fs";
import dagre from "@dagrejs/dagre";

const graphs = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(graphs.map(({ nodes, edges }) => crossings(layout(nodes, edges)))));

function layout(nodes, edges) {
  const graph = new dagre.graphlib.Graph().setGraph({}).setDefaultEdgeLabel(() => ({}));
  for (const name of nodes) graph.setNode(name, { width: 10, height: 10 });
  for (const [up, down] of edges) graph.setEdge(up, down);
  dagre.layout(graph);
  return graph;
}

/** Pairs of lines whose order changes between two neighbouring ranks, from node to bends to node. */
function crossings(graph) {
  const gaps = new Map();
  for (const edge of graph.edges()) {
    const [up, down] = [graph.node(edge.v), graph.node(edge.w)];
    const points = [up, ...graph.edge(edge).points.slice(1, -1), down];
    for (let i = 0; i + 1 < points.length; i++) {
      const key = Math.round(points[i].y);
      if (!gaps.has(key)) gaps.set(key, []);
      gaps.get(key).push([points[i].x, points[i + 1].x]);
    }
  }
  let count = 0;
  for (const runs of gaps.values()) {
    for (let i = 0; i < runs.length; i++) {
      for (let j = 0; j < i; j++) count += (runs[i][0] - runs[j][0]) * (runs[i][1] - runs[j][1]) < 0 ? 1 : 0;
    }
  }
  return count;
}
