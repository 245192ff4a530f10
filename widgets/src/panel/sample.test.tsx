import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { SampleMessage } from "../messages";
import { makeStore, type Selection } from "../store";
import { cells, click, drawn, found, happens, texts } from "../testing/drawn";
import { FakeModel } from "../testing/fake_model";
import { finished, running } from "../testing/fixtures";
import type { MadeJob } from "../testing/jobs";
import { Panel } from "./panel";

const SAMPLE: SampleMessage = {
  operator: "select_0", columns: [{ name: "carrier", type: "string", numeric: false }, { name: "delay", type: "double", numeric: true }],
  rows: [["AA", "1.5"], [null, "2"]], seen: 12_345, seconds: 2.04, keys: ["carrier"], hot: [{ key: "AA", share: 0.61 }],
  watermark: null, note: "",
};

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function shown(job: MadeJob = running(), selected: Selection = { kind: "node", id: "filter_0" }) {
  const model = new FakeModel({ graph: job.graph, live: job.live });
  const store = makeStore(model);
  store.selected.value = selected;
  store.tab.value = "sample";
  const place = drawn(<Panel store={store} />);
  const probes = () => new Set(model.sent.map(({ id }) => id)).size;
  const answer = (sample: Partial<SampleMessage> = {}) => happens(() => model.answer({ sample: { ...SAMPLE, ...sample } }));
  return { model, store, place, probes, answer };
}

const passes = (ms: number) => happens(() => vi.advanceTimersByTimeAsync(ms));

async function hide(hidden: boolean) {
  vi.spyOn(document, "hidden", "get").mockReturnValue(hidden);
  await happens(() => document.dispatchEvent(new Event("visibilitychange")));
}

describe("a sample", () => {
  it("is asked for when its tab is opened, of what leaves the chain", () => {
    const { model } = shown();
    expect(model.sent.map(({ kind, args }) => ({ kind, args }))).toEqual([{ kind: "probe", args: { target: "select_0", rows: 50 } }]);
  });

  it("is asked for by the other tabs never", () => {
    const model = new FakeModel({ ...running() });
    const store = makeStore(model);
    store.selected.value = { kind: "node", id: "filter_0" };
    drawn(<Panel store={store} />);
    expect(model.sent).toEqual([]);
  });

  it("shows rows, how many were seen, and the hot keys", async () => {
    const { place, answer } = shown();
    await answer();
    expect(cells(place)).toEqual([["AA", "1.5"], ["null", "2"]]);
    expect(texts(place, ".sabot-seen")).toEqual(["select_0: 12,345 rows in 2.0 s"]);
    expect(texts(place, "h4")).toEqual(["most frequent carrier"]);
    expect(texts(place, ".sabot-shares li")).toEqual(["AA61 %"]);
  });

  it("is repeated two seconds after each answer", async () => {
    const { probes, answer } = shown();
    await answer();
    await passes(1900);
    expect(probes()).toBe(1);
    await passes(200);
    expect(probes()).toBe(2);
    await passes(2500);
    expect(probes()).toBe(2);
    await answer();
    await passes(2000);
    expect(probes()).toBe(3);
  });

  it("stops when another tab is opened", async () => {
    const { place, probes, answer } = shown();
    await answer();
    await click(found(place, "[role=tab]", "Code"));
    await passes(10_000);
    expect(probes()).toBe(1);
  });

  it("stops when the panel is closed before the answer comes", async () => {
    const { place, probes, answer } = shown();
    await click(found(place, "button", "close"));
    await answer();
    await passes(10_000);
    expect(probes()).toBe(1);
  });

  it("rests while the page is out of sight, and while it is paused", async () => {
    const { place, probes, answer } = shown();
    await answer();
    await hide(true);
    await passes(10_000);
    expect(probes()).toBe(1);
    await hide(false);
    expect(probes()).toBe(2);
    await answer();
    await click(found(place, "button", "Pause"));
    await passes(10_000);
    expect(probes()).toBe(2);
    expect(cells(place)).toHaveLength(2);
    await click(found(place, "button", "Pause"));
    expect(probes()).toBe(3);
  });

  it("holds still while text in it is selected", async () => {
    const { place, probes, answer } = shown();
    await answer();
    await happens(() => {
      document.getSelection()!.selectAllChildren(found(place, "td", "AA"));
      document.dispatchEvent(new Event("selectionchange"));
    });
    await passes(10_000);
    expect(probes()).toBe(1);
    expect(place.textContent).toContain("paused while text is selected");
    await happens(() => {
      document.getSelection()!.removeAllRanges();
      document.dispatchEvent(new Event("selectionchange"));
    });
    expect(probes()).toBe(2);
  });

  it("is taken behind the last operator of a chain that has given rows", () => {
    const job = running();
    job.live.metrics!.vertices[1]!.operators[1]!.rows = 0;
    expect(shown(job).model.sent.at(-1)!.args["target"]).toBe("filter_0");
  });

  it("can be taken behind each operator of a chain", async () => {
    const { model, place, answer } = shown();
    await answer();
    const select = found<HTMLSelectElement>(place, "select");
    select.value = "filter_0";
    await happens(() => select.dispatchEvent(new Event("change", { bubbles: true })));
    expect(model.sent.at(-1)!.args["target"]).toBe("filter_0");
    expect(place.querySelector("table")).toBeNull();
  });

  it("of an edge is what travels on it", () => {
    const { model } = shown(running(), { kind: "edge", index: 1 });
    expect(model.sent.at(-1)!.args["target"]).toBe("filter_0->join_0");
  });

  it("says in words that nothing flows", async () => {
    const { place, answer } = shown();
    await answer({ rows: [], hot: [], seen: 0, note: "no rows left select_0 in 2 s" });
    expect(place.textContent).toContain("no rows left select_0 in 2 s");
  });

  it("is not asked for again after a refusal, unless the user does", async () => {
    const { model, place, probes } = shown();
    await happens(() => model.answer({ ok: false, text: "late was replaced by a newer run: sb.attach('late')" }));
    expect(place.textContent).toContain("late was replaced by a newer run");
    await passes(10_000);
    expect(probes()).toBe(1);
    await click(found(place, "button", "retry"));
    expect(probes()).toBe(2);
  });

  it("of a job that has ended is not asked for", () => {
    const { model, place } = shown(finished());
    expect(model.sent).toEqual([]);
    expect(place.textContent).toContain("The job has ended: no more rows.");
  });

  it("is not asked for when the cluster is gone, and says why", async () => {
    const { model, place, probes, answer } = shown();
    await answer();
    await happens(() => model.put("live", { ...running().live, gone: "the cluster has gone away" }));
    await passes(10_000);
    expect(probes()).toBe(1);
    expect(place.textContent).toContain("the cluster has gone away");
  });

  it("keeps its last rows when the job ends", async () => {
    const { model, place, answer } = shown();
    await answer();
    await happens(() => model.put("live", finished().live));
    expect(cells(place)).toHaveLength(2);
    expect(place.textContent).toContain("The job has ended: these are the last rows seen.");
  });

  it("of an operator that was optimized away says so", () => {
    const job = running();
    Object.assign(job.graph.picture.views[1]!.nodes[1]!, { vertices: [], note: "merged into flights" });
    for (const card of job.graph.picture.operators) if (card.vertex === "filter_0") card.vertex = "";
    const { model, place } = shown(job);
    expect(model.sent).toEqual([]);
    expect(place.textContent).toContain("No task runs this operator, so it emits no rows: merged into flights");
  });
});
