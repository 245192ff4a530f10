import { describe, expect, it } from "vitest";

import type { TableMessage } from "../messages";
import { cells, click, drawn, found, happens } from "../testing/drawn";
import { FakeModel } from "../testing/fake_model";
import { LiveTable } from "./live_table";

const EMPTY: TableMessage = {
  seq: 1, title: "late", total: 0, ended: false, note: "", rows: [],
  columns: [{ name: "carrier", type: "string", numeric: false }, { name: "n", type: "int64", numeric: true }],
};
const FIRST: TableMessage = { ...EMPTY, seq: 2, total: 2, rows: [["AA", "1"], ["DL", "2"]] };
const NEXT: TableMessage = { ...EMPTY, seq: 3, total: 5, rows: [["UA", "4"], ["WN", "5"]] };

function shown(table: TableMessage | object) {
  const model = new FakeModel({ _face: "table", table });
  return { model, place: drawn(<LiveTable model={model} />) };
}

async function select(place: HTMLElement, what: Node | null) {
  await happens(() => {
    const selection = place.ownerDocument.getSelection()!;
    selection.removeAllRanges();
    if (what) selection.selectAllChildren(what);
    place.ownerDocument.dispatchEvent(new Event("selectionchange"));
  });
}

describe("a live table", () => {
  it("waits for its first rows", () => {
    expect(shown({}).place.textContent).toBe("Waiting for the first rows…");
  });

  it("follows its rows and says how many there were", async () => {
    const { model, place } = shown(FIRST);
    expect(cells(place)).toEqual([["AA", "1"], ["DL", "2"]]);
    expect(place.textContent).toContain("2 rows");
    await happens(() => model.put("table", NEXT));
    expect(cells(place)).toEqual([["UA", "4"], ["WN", "5"]]);
    expect(place.textContent).toContain("the last 2 of 5 rows");
  });

  it("holds its rows while paused and says how many came", async () => {
    const { model, place } = shown(FIRST);
    await click(found(place, "button", "Pause"));
    await happens(() => model.put("table", NEXT));
    expect(cells(place)).toEqual([["AA", "1"], ["DL", "2"]]);
    expect(found(place, "[role=status]", "paused").textContent).toBe("paused, 3 new rows");
    await click(found(place, "button", "Pause"));
    expect(cells(place)).toEqual([["UA", "4"], ["WN", "5"]]);
  });

  it("holds its rows while text in them is selected", async () => {
    const { model, place } = shown(FIRST);
    await select(place, found(place, "td", "DL"));
    await happens(() => model.put("table", NEXT));
    expect(cells(place)).toEqual([["AA", "1"], ["DL", "2"]]);
    expect(found(place, "[role=status]", "paused").textContent).toBe("paused while text is selected, 3 new rows");
    await select(place, null);
    expect(cells(place)).toEqual([["UA", "4"], ["WN", "5"]]);
  });

  it("goes on while text elsewhere is selected", async () => {
    const { model, place } = shown(FIRST);
    const elsewhere = drawn(<p>elsewhere</p>);
    await select(elsewhere, elsewhere);
    await happens(() => model.put("table", NEXT));
    expect(cells(place)).toEqual([["UA", "4"], ["WN", "5"]]);
  });

  it.each([
    [{ ...EMPTY, ended: true }, "The job has ended without any rows."],
    [{ ...NEXT, ended: true }, "The job has ended: these are its last rows."],
    [{ ...EMPTY, note: "late has FAILED: division by zero", ended: true }, "late has FAILED: division by zero"],
  ])("says how it ended", (table, words) => {
    expect(found(shown(table).place, ".sabot-outcome").textContent).toBe(words);
  });

  it("says that it ended even while it is paused", async () => {
    const { model, place } = shown(FIRST);
    await click(found(place, "button", "Pause"));
    await happens(() => model.put("table", { ...NEXT, ended: true }));
    expect(cells(place)).toEqual([["AA", "1"], ["DL", "2"]]);
    expect(found(place, ".sabot-outcome").textContent).toBe("The job has ended: these are its last rows.");
  });

  it("leaves the model when it goes", async () => {
    const { model, place } = shown(FIRST);
    expect(model.listening).toBe(1);
    const { render } = await import("preact");
    await happens(() => render(null, place));
    expect(model.listening).toBe(0);
  });
});
