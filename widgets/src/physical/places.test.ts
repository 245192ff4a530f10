import { expect, test } from "vitest";
import type { TaskMetrics } from "../messages";
import { large, pending, running } from "../testing/fixtures";
import type { MadeJob } from "../testing/jobs";
import { NOWHERE, places } from "./places";

function rows(job: MadeJob): [string, string[]][] {
  const { vertices = [], tasks = [] } = job.live.metrics ?? {};
  const byVertex = new Map<string, TaskMetrics[]>(
    vertices.map((one) => [one.id, tasks.filter((task) => task.vertex === one.id)]),
  );
  return places(vertices, byVertex).map(({ agent, cells }) => [
    agent,
    cells.map((some) => some.map((task) => task.index).join(" ")),
  ]);
}

test("agents are rows, vertices columns", () => {
  expect(rows(running())).toEqual([
    ["agent-0", ["0", "0", "0", "0", "0"]],
    ["agent-1", ["1", "1", "", "1", ""]],
    ["agent-2", ["2", "2", "", "2", ""]],
    ["agent-3", ["3", "3", "", "3", ""]],
  ]);
});

test("tasks without an agent are in a row of their own", () => {
  expect(rows(pending())).toEqual([[NOWHERE, ["0 1 2 3", "0 1 2 3", "0", "0 1 2 3", "0"]]]);
});

test("agents are in the order of their numbers", () => {
  const job = large(1, 12);
  job.live.metrics?.tasks.forEach((task) => (task.agent = `agent-${11 - task.index}`));
  expect(rows(job).map(([agent]) => agent)).toEqual(Array.from({ length: 12 }, (_, number) => `agent-${number}`));
});
