import { expect, it } from "vitest";

import { tracebackLines } from "./traceback";

it("finds the innermost code of the user", () => {
  const text = [
    "  cell [3], line 9, in speeds",
    "    return [speed(row) for row in rows]",
    "  geo.py:41, in speed",
    "    return row.distance / row.air_time",
    "  (2 frames in pandas)",
    "ZeroDivisionError: division by zero",
    "    it was row 7",
  ].join("\n");
  expect(tracebackLines(text).map(({ role }) => role)).toEqual([
    "place", "code", "place", "failing", "library", "raised", "raised",
  ]);
});

it("keeps a traceback without frames as it is", () => {
  expect(tracebackLines("ValueError: no\n")).toEqual([{ text: "ValueError: no", role: "raised" }]);
});
