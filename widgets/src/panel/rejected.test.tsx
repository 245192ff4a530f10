import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { RejectedMessage } from "../messages";
import { makeStore, type Tab } from "../store";
import { cells, click, drawn, found, happens, texts } from "../testing/drawn";
import { FakeModel } from "../testing/fake_model";
import { failed, finished, running } from "../testing/fixtures";
import type { MadeJob } from "../testing/jobs";
import { Panel } from "./panel";

const LATE: RejectedMessage = {
  operator: "filter_0", kind: "late",
  columns: [{ name: "time", type: "UTC", numeric: false }, { name: "reason", type: "", numeric: false }, { name: "x", type: "int64", numeric: true }],
  rows: [["2026-11-20 19:38:06", "late by 0:20:00", "7"], ["2026-11-20 19:38:07", "late by 0:01:00", null]],
};

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function shown(job: MadeJob = running(), tab: Tab = "rejected") {
  const model = new FakeModel({ graph: job.graph, live: job.live });
  const store = makeStore(model);
  store.selected.value = { kind: "node", id: "filter_0" };
  const place = drawn(<Panel store={store} />);
  const answer = (...rejected: RejectedMessage[]) => happens(() => model.answer({ text: "", rejected }));
  const opens = () => happens(() => void (store.tab.value = tab));
  return { model, store, place, answer, opens };
}

describe("rejected rows", () => {
  it("are asked for when their tab is opened, of the operators of the box", async () => {
    const { model, opens } = shown();
    expect(model.sent).toEqual([]);
    await opens();
    expect(model.sent.map(({ kind, args }) => ({ kind, args }))).toEqual([{ kind: "samples", args: { operators: ["filter_0", "select_0"] } }]);
  });

  it("have a table for each operator and kind", async () => {
    const { place, opens, answer } = shown();
    await opens();
    await answer(LATE, { ...LATE, operator: "select_0", kind: "errors", rows: [["t", "ValueError: even", "2"]] });
    expect(texts(place, "h4")).toEqual(["filter_0: late rows", "select_0: rows for which the function raised"]);
    expect(cells(place)).toEqual([
      ["2026-11-20 19:38:07", "late by 0:01:00", "null"], ["2026-11-20 19:38:06", "late by 0:20:00", "7"], ["t", "ValueError: even", "2"],
    ]);
  });

  it("are repeated two seconds after each answer, and no notice is shown of them", async () => {
    const { model, store, opens, answer } = shown();
    await opens();
    await answer(LATE);
    expect(store.notice.value).toBeNull();
    await happens(() => vi.advanceTimersByTimeAsync(2100));
    expect(new Set(model.sent.map(({ id }) => id)).size).toBe(2);
  });

  it("of a job that has ended are asked for once", async () => {
    const { model, opens, answer } = shown(finished());
    await opens();
    await answer(LATE);
    await happens(() => vi.advanceTimersByTimeAsync(10_000));
    expect(model.sent).toHaveLength(1);
  });

  it("say that there are none, or why they are not known", async () => {
    const { model, place, opens, answer } = shown();
    await opens();
    expect(place.textContent).toContain("Fetching rows…");
    await answer();
    expect(place.textContent).toContain("No row was late or failed here.");
    const other = shown(failed());
    await other.opens();
    await happens(() => other.model.answer({ ok: false, text: "the cluster does not answer" }));
    expect(other.place.textContent).toContain("the cluster does not answer");
    expect(model.greetings).toBe(0);
  });

  it("show markup in values, names and reasons as text", async () => {
    const { place, opens, answer } = shown();
    await opens();
    const markup = `<img src=x onerror="alert(1)">`;
    await answer({ operator: markup, kind: markup, columns: [{ name: markup, type: markup, numeric: false }], rows: [[markup]] });
    expect(place.querySelector("img")).toBeNull();
    expect(cells(place)).toEqual([[markup]]);
  });

  it("are opened from the number of late rows", async () => {
    const job = running();
    const operators = job.live.metrics!.vertices[1]!.operators;
    Object.assign(operators[0]!, { late: 12, late_share: 0.07 });
    const { place, store } = shown(job);
    await click(found(place, "button", "show"));
    expect(store.tab.value).toBe("rejected");
  });

  it("of an operator without tasks are not asked for", async () => {
    const job = running();
    for (const card of job.graph.picture.operators) card.vertex = "";
    const { place, opens } = shown(job);
    await opens();
    expect(place.textContent).toContain("No task runs this operator.");
  });
});
