import { expect, test } from "vitest";
import type { PictureNode, VertexMetrics } from "../messages";
import { backpressured, failed, finished, pending, running } from "../testing/fixtures";
import { type MadeJob, UNTIMED } from "../testing/jobs";
import { lineFigures, loadText, nodeFigures } from "./figures";
import { pathLength } from "./path_length";
import { area, sparkline } from "./sparkline";

function figures(job: MadeJob, place: number, node: Partial<PictureNode> = {}) {
  const metrics = job.live.metrics;
  const vertices = new Map(metrics?.vertices.map((one) => [one.id, one]));
  const box = { ...(job.graph.picture.views[1]?.nodes[place] as PictureNode), ...node };
  return nodeFigures(box, { vertices, over: metrics?.ended !== null });
}

test.each([
  [running(), 0, "running", "41.2k/s", "idle 63 %"],
  [running(), 1, "running", "41.2k → 9.1k/s", "idle 87 %"],
  [running(), 4, "running", "310/s", "idle 98 %"],
  [backpressured(), 0, "running", "41.2k/s", "blocked 95 %"],
  [finished(), 1, "finished", "31.0M → 6.8M", ""],
  [finished(), 4, "finished", "233k rows", ""],
  [failed(), 1, "failed", "31.0M → 6.8M", ""],
  [failed(), 0, "canceled", "31.0M rows", ""],
  [pending(), 0, "waiting", "", ""],
])("figures of a box %#", (job, place, mark, flow, load) => {
  expect(figures(job, place)).toMatchObject({ mark, flowText: flow, loadText: load });
});

test("dots are in the order of the load, a failed task first", () => {
  expect(figures(backpressured(), 3).dots.map((dot) => [dot.index, dot.level])).toEqual([
    [0, "high"],
    [3, "some"],
    [1, "some"],
    [2, "some"],
  ]);
  expect(figures(failed(), 1).dots.map((dot) => dot.index)).toEqual([2, 0, 1, 3]);
});

test("a box that is done while others run has its totals", () => {
  const job = running();
  for (const vertex of job.live.metrics?.vertices ?? []) if (vertex.id === "airlines") vertex.states = { FINISHED: 1 };
  expect(figures(job, 2)).toMatchObject({ mark: "finished", flowText: "12.0k rows", loadText: "", history: [] });
});

test("late rows above 5 % are named", () => {
  const job = running();
  const vertex = job.live.metrics?.vertices[3] as VertexMetrics;
  const late = (late_share: number) => {
    vertex.operators = [{ ...UNTIMED, id: "window_0", rows: 10, rows_rate: 1, busy: 0, late: 7, late_share }];
    return figures(job, 3, { operators: ["window_0"] });
  };
  expect([late(0.04).late, late(0.07).late]).toEqual(["", "7 % late"]);
  expect(late(0.07).label).toContain("7 % late");
  expect(figures(job, 3, { operators: ["other"] }).late).toBe("");
});

test("an operator inside a chain has the rows that left it and the one before", () => {
  const job = running();
  const vertex = job.live.metrics?.vertices[1] as VertexMetrics;
  vertex.operators = [
    { ...UNTIMED, id: "filter_0", rows: 10, rows_rate: 5_000, busy: 0 },
    { ...UNTIMED, id: "select_0", rows: 10, rows_rate: 4_000, busy: 0 },
  ];
  expect(figures(job, 1, { operators: ["filter_0"] }).flowText).toBe("41.2k → 5.0k/s");
  expect(figures(job, 1, { operators: ["select_0"] }).flowText).toBe("5.0k → 9.1k/s");
});

test("a source that begins a chain has the rows that it reads and those that leave the chain", () => {
  const job = running();
  const vertex = job.live.metrics?.vertices[0] as VertexMetrics;
  vertex.operators = [
    { ...UNTIMED, id: "source_0", rows: 900, rows_rate: 90_000, busy: 0 },
    { ...UNTIMED, id: "filter_0", rows: 400, rows_rate: 41_200, busy: 0 },
  ];
  expect(figures(job, 0, { operators: ["source_0", "filter_0"] }).flowText).toBe("90.0k → 41.2k/s");
  expect(figures(job, 0, { operators: ["source_0"] }).flowText).toBe("90.0k/s");
});

test("a chain that ends in a sink gives what the sink takes", () => {
  const job = running();
  const vertex = job.live.metrics?.vertices[4] as VertexMetrics;
  vertex.kinds = ["aggregate", "sink"];
  vertex.operators = ["by_k", "sink_0"].map((id) => ({ ...UNTIMED, id, rows: 7, rows_rate: 7, busy: 0 }));
  expect(figures(job, 4, { operators: ["by_k", "sink_0"] }).flowText).toBe("310 → 7/s");
  vertex.kinds = ["source", "map", "sink"];
  vertex.role = "source";
  expect(figures(job, 4, { operators: ["by_k", "sink_0"] }).flowText).toBe("7 → 7/s");
});

test("what the optimizer has removed has no figures, but a reason", () => {
  const gone = figures(running(), 1, { vertices: [], note: "merged into filter_0" });
  expect(gone).toMatchObject({ mark: "removed", flowText: "", dots: [] });
  expect(gone.label).toContain("merged into filter_0");
});

test("a group shows its vertices together", () => {
  const group = figures(running(), 1, { vertices: ["filter_0", "join_0"], operators: [] });
  expect(group).toMatchObject({ tasks: 8, flowText: "41.2k → 310/s" });
  expect(group.history).toHaveLength(60);
});

test("a line says where it leads, how rows spread, and how full its queue is", () => {
  const job = backpressured();
  const edges = new Map(job.live.metrics?.edges.map((one) => [one.index, one]));
  const lines = job.graph.picture.views[1]?.lines ?? [];
  expect(lines[1] && lineFigures(lines[1], edges, 0).label).toBe(
    "filter_0 to join_0, hash(carrier), 9.1k/s, 6,849,120 rows, queue 91 % full: 182 ms of work",
  );
});

test.each([
  [{ busy: 0, idle: 0, backpressured: 0 }, ""],
  [{ busy: 0.5, idle: 0.5, backpressured: 0 }, "busy 50 %"],
  [{ busy: 0.2, idle: 0.2, backpressured: 0.6 }, "blocked 60 %"],
  [{ busy: 0.1, idle: 0.8, backpressured: 0.1 }, "idle 80 %"],
])("the largest share of %j", (load, text) => expect(loadText(load)).toBe(text));

test("a sparkline ends at the right, with its highest at the top", () => {
  expect(sparkline([1], 59, 12)).toBe("");
  expect(sparkline([0, 10, 5], 59, 12)).toBe("M57.0 11.0L58.0 1.0L59.0 6.0");
  expect(area("M57.0 11.0L59.0 6.0", 59, 12)).toBe("M57.0 11.0L59.0 6.0L59 12L57.0 12Z");
});

test.each([
  ["M0 0L3 4", 5],
  ["M0 0L3 4L3 10", 11],
  ["M0 0C0 0 10 0 10 0", 10],
  ["", 0],
])("%s is %d long", (path, length) => expect(pathLength(path)).toBeCloseTo(length));
