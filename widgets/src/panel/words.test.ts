import { describe, expect, it } from "vitest";

import type { VertexMetrics } from "../messages";
import { backpressured, running } from "../testing/fixtures";
import { lateInWords, skewInWords, spreadInWords, stateInWords, tasksByState, watermarkInWords } from "./words";

const metrics = running().live.metrics!;
const NOTHING = { rows: 0, batches: 0, bytes: 0, rows_rate: 0, batches_rate: 0, bytes_rate: 0 };
const vertex = (id: string, more: Partial<VertexMetrics> = {}) => ({ ...metrics.vertices.find((one) => one.id === id)!, ...more });

describe("figures in words", () => {
  it.each([
    [{ RUNNING: 4 }, "4 tasks RUNNING"],
    [{ FAILED: 1, CANCELED: 3 }, "3 of 4 tasks CANCELED, 1 FAILED"],
    [{ RUNNING: 0 }, "4 tasks, not started"],
    [{}, "4 tasks, not started"],
  ] as [Record<string, number>, string][])("tasks by state %j", (states, words) => {
    expect(tasksByState({ tasks: 4, states })).toBe(words);
  });

  it.each([
    [null, "no rows yet"],
    [1, "even: task 3 gets 1.0 times the mean"],
    [1.5, "a little uneven: task 3 gets 1.5 times the mean"],
    [2.9, "uneven: task 3 gets 2.9 times the mean"],
  ])("skew %d", (skew, words) => {
    expect(skewInWords(vertex("join_0", { skew, skew_task: 3 }))).toBe(words);
  });

  it("skew of one task is none", () => {
    expect(skewInWords(vertex("collect_0"))).toBe("one task");
  });

  it.each([
    [0, 0, ""],
    [12, 0.004, "12 late rows, less than 1 % of its input"],
    [1, 0.05, "1 late row, 5 % of its input"],
    [1204, 0.07, "⚠ 1,204 late rows, 7 % of its input"],
  ])("%d late rows", (late, late_share, words) => {
    expect(lateInWords({ late, late_share })).toBe(words);
  });

  it.each([
    [null, "none: no event time here"],
    [1_795_000_000_000_000, "2026-11-18 11:06:40 UTC, 1.4 s behind"],
    [1_357_000_000_000_000, "2013-01-01 00:26:40 UTC"],
    [9_223_372_036_854_775_807, "end of input"],
  ])("watermark %d", (watermark, words) => {
    expect(watermarkInWords(watermark, 1_795_000_001.4)).toBe(words);
  });

  it.each([
    [["filter"], {}, "Stateless: filter keeps nothing between batches."],
    [["filter", "select"], {}, "Stateless: filter and select keep nothing between batches."],
    [["join", "aggregate"], { into: NOTHING }, "No state yet: join and aggregate keep state once rows arrive."],
    [["source", "aggregate"], {}, "No state at the moment."],
    [["aggregate"], { state_keys: 16_400, state_bytes: 7_300_000 }, "16,400 keys in 7.3 MB"],
    [
      ["aggregate"],
      { state_keys: 16_400, state_bytes: 7_300_000, spilled_bytes: 41_000_000 },
      "16,400 keys in 7.3 MB; 41.0 MB were written to temporary files",
    ],
    [["sort"], { spilled_bytes: 41_000_000 }, "No state in memory; 41.0 MB were written to temporary files"],
  ] as [string[], Partial<VertexMetrics>, string][])("state of %j", (kinds, more, words) => {
    expect(stateInWords([vertex("filter_0", { kinds, ...more })])).toBe(words);
  });

  it("ways of an edge", () => {
    expect(spreadInWords("forward", [])).toBe("forward: each task sends to the task with the same index");
    expect(spreadInWords("HASH", ["carrier", "day"])).toBe("hash(carrier, day): rows of one key go to one task");
    expect(spreadInWords("something", [])).toBe("something");
  });

  it("are those of a hot task", () => {
    const slow = backpressured().live.metrics!.vertices.find((one) => one.id === "join_0")!;
    expect(skewInWords(slow)).toContain("uneven");
  });
});
