import { expect, test } from "vitest";
import { large, pending, running } from "../testing/fixtures";
import type { MadeJob } from "../testing/jobs";
import { NOWHERE, places } from "./places";

function rows(job: MadeJob): [string, string[]][] {
  return places(job.live.metrics?.vertices ?? [], job.tasks).map(({ agent, cells }) => [
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
  job.tasks.forEach((task) => (task.agent = `agent-${11 - task.index}`));
  expect(rows(job).map(([agent]) => agent)).toEqual(Array.from({ length: 12 }, (_, number) => `agent-${number}`));
});
