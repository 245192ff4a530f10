/** Made-up figures for a real picture: loads, rates and queues of every kind. */
import type { Graph } from "../src/messages";
import { type JobSketch, type MadeJob, made } from "../src/testing/jobs";

export function livened(graph: Graph): MadeJob {
  const view = graph.picture.views.find((one) => one.name === "optimized");
  const nodes = view?.nodes ?? [];
  const sketch: JobSketch = {
    name: graph.job,
    vertices: nodes.map((node, place) => ({
      chain: node.operators,
      role: node.role as "source",
      text: node.text,
      loads: Array.from({ length: node.tasks }, (_, task): [number, number] => [
        ((place * 37 + task * 11) % 90) / 100,
        place % 3 ? 0 : 0.1,
      ]),
      into: node.role === "source" ? 0 : 90_000 / (place + 1),
      out: 80_000 / (place + 1),
    })),
    edges: [],
  };
  for (const line of view?.lines ?? []) {
    const place = (id: string) => nodes.findIndex((node) => node.id === id);
    for (const index of line.edges)
      sketch.edges[index] = { up: place(line.up), down: place(line.down), label: line.label, fill: (index % 5) / 5 };
  }
  return { graph, live: made(sketch).live };
}
