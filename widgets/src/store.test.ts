import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Store, makeStore } from "./store";
import { FakeModel } from "./testing/fake_model";
import { finished, running } from "./testing/fixtures";

let model: FakeModel;
let store: Store;

beforeEach(() => {
  vi.useFakeTimers();
  model = new FakeModel(running());
  store = makeStore(model);
});

afterEach(() => {
  store.dispose();
  vi.useRealTimers();
});

test("a command carries the run of the graph that the page shows", () => {
  void store.send("probe", { target: "filter_0", rows: 50 });
  expect(model.sent).toEqual([
    { type: "command", id: expect.any(String), kind: "probe", run: 3, args: { target: "filter_0", rows: 50 } },
  ]);
});

test("a command is sent again, as the same one, until it is answered", async () => {
  const answer = store.send("pause");
  vi.advanceTimersByTime(9_500);
  expect(new Set(model.sent.map((one) => one.id)).size).toBe(1);
  expect(model.sent).toHaveLength(4);
  expect(store.pending.value).toMatchObject([{ kind: "pause" }]);
  model.answer({ text: "late is paused" });
  expect(await answer).toMatchObject({ ok: true, text: "late is paused" });
  vi.advanceTimersByTime(30_000);
  expect(model.sent).toHaveLength(4);
  expect(store.pending.value).toEqual([]);
});

test("a second answer changes nothing, nor does that to another page's command", async () => {
  const answer = store.send("stop");
  model.answer({ id: "another", text: "no" });
  expect(store.pending.value).toHaveLength(1);
  model.answer({ text: "late stops" });
  await answer;
  model.answer({ text: "late was stopped before" });
  expect(store.notice.value).toMatchObject({ ok: true, text: "late stops" });
});

test("a refusal is said", async () => {
  const answer = store.send("stop");
  model.answer({ ok: false, text: "late was replaced by a newer run" });
  await answer;
  expect(store.notice.value).toMatchObject({ ok: false, text: "late was replaced by a newer run" });
});

test("rows of a probe are not said, what kept it from them is", async () => {
  const first = store.send("probe", { target: "flights" });
  model.answer({ text: "50 rows" });
  await first;
  expect(store.notice.value).toBeNull();
  const second = store.send("probe", { target: "flights" });
  model.answer({ ok: false, text: "late has FINISHED" });
  await second;
  expect(store.notice.value?.text).toBe("late has FINISHED");
});

test("where there is no kernel, the answer says so", async () => {
  vi.spyOn(model, "send").mockImplementation(() => {
    throw new Error("comm is closed");
  });
  expect(await store.send("pause")).toMatchObject({
    ok: false,
    text: "pause: the kernel cannot be reached (comm is closed)",
  });
  expect(store.pending.value).toEqual([]);
});

test("news are old after five seconds, and new with the next", () => {
  vi.advanceTimersByTime(5_000);
  expect(store.fresh.value).toBe(true);
  vi.advanceTimersByTime(2_000);
  expect(store.fresh.value).toBe(false);
  model.put("live", running().live);
  expect(store.fresh.value).toBe(true);
});

test("a job that is over has no old news, and its page no clock", () => {
  model.put("live", finished().live);
  const last = store.now.value;
  vi.advanceTimersByTime(60_000);
  expect(store.fresh.value).toBe(true);
  expect(store.now.value).toBe(last);
});

test("metrics are found by vertex", () => {
  expect([...store.vertices.value.keys()]).toEqual(["flights", "filter_0", "airlines", "join_0", "collect_0"]);
});

test("a store that is disposed leaves nothing, and answers what waits", async () => {
  const answer = store.send("pause");
  store.dispose();
  expect(model.listening).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
  expect(await answer).toMatchObject({ ok: false });
});
