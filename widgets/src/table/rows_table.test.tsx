import { describe, expect, it } from "vitest";

import { cells, click, drawn, found, texts, type } from "../testing/drawn";
import { RowsTable, tsv } from "./rows_table";

const CARRIER = { name: "carrier", type: "string", numeric: false };
const DELAY = { name: "delay", type: "double", numeric: true };
const many = (count: number) =>
  Array.from({ length: count }, (_, place) => ({ name: `c${place}`, type: "int64", numeric: true }));

describe("rows of typed columns", () => {
  it("have types below the names and numbers at the right", () => {
    const place = drawn(<RowsTable label="rows" columns={[CARRIER, DELAY]} rows={[["AA", "1.5"]]} />);
    expect(texts(place, ".sabot-column-name")).toEqual(["carrier", "delay"]);
    expect(texts(place, ".sabot-type")).toEqual(["string", "double"]);
    expect([...place.querySelectorAll("td")].map((cell) => cell.className)).toEqual(["", "sabot-right"]);
  });

  it("tell null from the text null and from nothing", () => {
    const place = drawn(<RowsTable label="rows" columns={[CARRIER]} rows={[[null], ["null"], [""]]} />);
    expect(cells(place)).toEqual([["null"], ["null"], [""]]);
    expect([...place.querySelectorAll("td")].map((cell) => cell.querySelector("em") !== null)).toEqual([true, false, false]);
  });

  it("show markup as text", () => {
    const place = drawn(
      <RowsTable label="rows" columns={[{ ...CARRIER, name: "<b>x</b>" }]} rows={[["<img src=x onerror=alert(1)>"]]} />,
    );
    expect(place.querySelector("img, b")).toBeNull();
    expect(cells(place)).toEqual([["<img src=x onerror=alert(1)>"]]);
  });

  it("cut a value of 10,000 letters, and show it whole when asked to", async () => {
    const place = drawn(<RowsTable label="rows" columns={[CARRIER]} rows={[["x".repeat(10_000)]]} />);
    expect(cells(place)[0]![0]).toBe(`${"x".repeat(40)}… + 9,960 characters`);
    await click(found(place, "td button", "9,960 characters"));
    expect(cells(place)[0]![0]).toContain("x".repeat(10_000));
  });
});

describe("500 columns", () => {
  const columns = many(500);
  const rows = [columns.map((_, place) => String(place))];

  it("are shown twenty at a time", async () => {
    const place = drawn(<RowsTable label="rows" columns={columns} rows={rows} />);
    expect(found(place, "[role=status]").textContent).toBe("1–20 of 500 columns");
    await click(found(place, "button", "next"));
    expect(found(place, "[role=status]").textContent).toBe("21–40 of 500 columns");
    expect(cells(place)[0]![0]).toBe("20");
  });

  it("are all shown when asked for", async () => {
    const place = drawn(<RowsTable label="rows" columns={columns} rows={rows} />);
    await click(found(place, "button", "show all"));
    expect(cells(place)[0]).toHaveLength(500);
  });

  it("are found by a part of the name", async () => {
    const place = drawn(<RowsTable label="rows" columns={columns} rows={rows} />);
    await type(found(place, "input"), "C49");
    expect(texts(place, ".sabot-column-name")).toEqual(["c49", "c490", "c491", "c492", "c493", "c494", "c495", "c496", "c497", "c498", "c499"]);
    await type(found(place, "input"), "nothing");
    expect(found(place, "[role=status]").textContent).toBe("no matching column (500 columns)");
  });
});

describe("tab separated values", () => {
  it.each([
    [[["AA", "1.5"]], "carrier\tdelay\nAA\t1.5"],
    [[], "carrier\tdelay"],
    [[[null, "0"]], "carrier\tdelay\n\t0"],
    [[["a\tb\r\nc", "0"]], "carrier\tdelay\na b c\t0"],
  ])("of %j", (rows, expected) => {
    expect(tsv([CARRIER, DELAY], rows)).toBe(expected);
  });
});
