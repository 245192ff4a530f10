import { expect, test } from "vitest";
import { graphOf, liveOf } from "./reading";
import { running } from "./testing/fixtures";

test("what is whole stays as it is", () => {
  const { graph, live } = running();
  expect(graphOf(graph)).toEqual(graph);
  expect(liveOf(live)).toEqual(live);
});

test.each([null, undefined, {}, [], "text", 3])("%j is neither a graph nor an update", (value) => {
  expect(graphOf(value)).toBeNull();
  expect(liveOf(value)).toBeNull();
});

test("what is missing is empty, what is null may be null", () => {
  const live = liveOf({ metrics: { state: "RUNNING", vertices: [{ id: "a", load: null }], edges: null, error: null } });
  expect(live?.gone).toBe("");
  expect(live?.metrics).toMatchObject({
    state: "RUNNING",
    edges: [],
    tasks: [],
    error: null,
    progress: null,
    rows_in: { rows: 0 },
  });
  expect(live?.metrics?.vertices[0]).toMatchObject({
    id: "a",
    load: { busy: 0 },
    states: {},
    latency: null,
    history: [],
  });
});

test("fields of a later version stay", () => {
  expect(liveOf({ metrics: null, later: 1 })).toEqual({ metrics: null, later: 1, seq: 0, gone: "", trouble: "" });
});
