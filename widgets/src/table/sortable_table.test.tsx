import { describe, expect, it } from "vitest";

import { cells, click, drawn, found, texts } from "../testing/drawn";
import { type Heading, SortableTable } from "./sortable_table";

interface Task {
  name: string;
  busy: number;
}
const HEADINGS: Heading<Task>[] = [
  { name: "task", sort: (task) => task.name },
  { name: "busy", sort: (task) => task.busy, cell: (task) => `${task.busy} %` },
];
const TASKS = [{ name: "t10", busy: 1 }, { name: "t2", busy: 96 }, { name: "t1", busy: 30 }];
const table = (rows: Task[], most = 100) => (
  <SortableTable label="tasks" headings={HEADINGS} rows={rows} id={(one) => one.name} most={most} />
);

describe("a sortable table", () => {
  it("keeps the order of its rows until a heading is pressed", () => {
    expect(texts(drawn(table(TASKS)), "td:first-child")).toEqual(["t10", "t2", "t1"]);
  });

  it("begins with the largest number, and turns round", async () => {
    const place = drawn(table(TASKS));
    await click(found(place, "th button", "busy"));
    expect(cells(place)).toEqual([["t2", "96 %"], ["t1", "30 %"], ["t10", "1 %"]]);
    expect(found(place, "th", "busy").getAttribute("aria-sort")).toBe("descending");
    await click(found(place, "th button", "busy"));
    expect(cells(place)).toEqual([["t10", "1 %"], ["t1", "30 %"], ["t2", "96 %"]]);
    expect(found(place, "th", "busy").getAttribute("aria-sort")).toBe("ascending");
  });

  it("sorts names as people count", async () => {
    const place = drawn(table(TASKS));
    await click(found(place, "th button", "task"));
    expect(texts(place, "td:first-child")).toEqual(["t1", "t2", "t10"]);
  });

  it("shows a part of very many rows, and all when asked to", async () => {
    const rows = Array.from({ length: 1200 }, (_, place) => ({ name: `t${place}`, busy: place }));
    const place = drawn(table(rows, 100));
    expect(cells(place)).toHaveLength(100);
    await click(found(place, "button", "show all 1,200"));
    expect(cells(place)).toHaveLength(1200);
  });
});
