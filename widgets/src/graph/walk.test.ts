import { expect, test } from "vitest";
import type { View } from "../messages";
import { running } from "../testing/fixtures";
import { type Stop, walk } from "./walk";

const view = running().graph.picture.views[1] as View;
const at = (stop: Stop): string => {
  const line = view.lines[stop.place];
  return stop.kind === "node" ? (view.nodes[stop.place]?.id ?? "") : `${line?.up}->${line?.down}`;
};

/** Returns the elements that `keys` visit from the first box; a key without a target does not move the focus. */
function walked(...keys: string[]): string {
  let stop: Stop = { kind: "node", place: 0 };
  for (const key of keys) stop = walk(view, stop, key) ?? stop;
  return at(stop);
}

const [R, L, U, D] = ["ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown"];

test.each([
  [[], "flights"],
  [[R], "flights->filter_0"],
  [[R, R], "filter_0"],
  [[R, R, R], "filter_0->join_0"],
  [[R, R, R, D], "airlines->join_0"],
  [[R, R, R, D, L], "airlines"],
  [[D], "airlines"],
  [[D, U, U], "flights"],
  [[R, R, R, R, R, R], "collect_0"],
  [[R, R, R, R, R, R, R], "collect_0"],
  [["End"], "collect_0"],
  [["End", L], "join_0->collect_0"],
  [["End", "Home"], "flights"],
  [["x"], "flights"],
] as [string[], string][])("%j leads to %s", (keys, place) => expect(walked(...keys)).toBe(place));

test("a picture without boxes leads nowhere", () => {
  const empty: View = { name: "optimized", nodes: [], lines: [], width: 0, height: 0 };
  for (const key of [R, L, U, D, "Home", "End"])
    expect(walk(empty, { kind: "node", place: 0 }, key as string)).toBeNull();
});
