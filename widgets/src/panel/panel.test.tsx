import { describe, expect, it, vi } from "vitest";

import type { VertexMetrics } from "../messages";
import { makeStore, type Selection, type Tab } from "../store";
import { cells, click, drawn, found, happens, press, texts } from "../testing/drawn";
import { FakeModel } from "../testing/fake_model";
import { backpressured, failed, hostile, pending, running } from "../testing/fixtures";
import type { MadeJob } from "../testing/jobs";
import { Panel } from "./panel";

function shown(job: MadeJob, selected: Selection | string | null, tab: Tab = "overview") {
  const model = new FakeModel(job);
  const store = makeStore(model);
  store.selected.value = typeof selected === "string" ? { kind: "node", id: selected } : selected;
  store.tab.value = tab;
  return { model, store, place: drawn(<Panel store={store} />) };
}

function changed(job: MadeJob, id: string, more: Partial<VertexMetrics>): MadeJob {
  const metrics = job.live.metrics!;
  const vertices = metrics.vertices.map((one) => (one.id === id ? { ...one, ...more } : one));
  return { ...job, live: { ...job.live, metrics: { ...metrics, vertices } } };
}

describe("the panel", () => {
  it("is not there while nothing is selected", () => {
    expect(shown(running(), null).place.innerHTML).toBe("");
  });

  it("says when nothing is known", () => {
    const job = running();
    const { place } = shown({ ...job, live: { ...job.live, metrics: null } }, { kind: "edge", index: 1 });
    expect(place.textContent).toContain("No data yet.");
  });

  it("has the next result and the late rows of an operator, and the watermark of an edge", () => {
    const timed = { id: "join_0", rows: 5, rows_rate: 1, busy: 0, watermark: 0, awaited: 1_357_000_000_000_000, late: 12, late_share: 0.07, part_of: "" };
    const job = changed(running(), "join_0", { operators: [timed] });
    job.live.metrics!.edges[1]!.watermark = 1_357_000_000_000_000;
    const { place } = shown(job, "join_0");
    expect(place.textContent).toContain("next result at 2013-01-01 00:26:40 UTC");
    expect(found(place, ".sabot-bad").textContent).toBe("⚠ 12 late rows, 7 % of its input");
    expect(shown(job, { kind: "edge", index: 1 }).place.textContent).toContain("watermark2013-01-01 00:26:40 UTC");
  });

  it("is about what is selected, and can be closed", async () => {
    const { place, store } = shown(running(), "filter_0");
    expect(found(place, "section").getAttribute("aria-label")).toBe("node filter_0 · select_0");
    await click(found(place, "button", "close"));
    expect(store.selected.value).toBeNull();
    expect(place.innerHTML).toBe("");
  });

  it("has tabs that arrows, Home and End move through", async () => {
    const { place, store } = shown(running(), "filter_0");
    for (const [key, tab] of [["ArrowRight", "tasks"], ["End", "errors"], ["ArrowRight", "overview"], ["ArrowLeft", "errors"], ["Home", "overview"]]) {
      await press(found(place, "[role=tab][aria-selected=true]"), key!);
      expect(store.tab.value).toBe(tab);
      expect(document.activeElement).toBe(found(place, "[role=tab][aria-selected=true]"));
    }
    expect([...place.querySelectorAll<HTMLElement>("[role=tab]")].filter((one) => one.tabIndex === 0)).toHaveLength(1);
    const panel = found(place, "[role=tabpanel]");
    expect(panel.getAttribute("aria-labelledby")).toBe(found(place, "[role=tab][aria-selected=true]").id);
  });

  it("shows markup in every name as text", async () => {
    const job = hostile();
    const { place } = shown(job, job.graph.picture.views[0]!.nodes[1]!.id);
    for (const tab of place.querySelectorAll<HTMLElement>("[role=tab]")) {
      await click(tab);
      expect(place.querySelector("img, script")).toBeNull();
    }
  });
});

describe("the overview", () => {
  const facts = (place: HTMLElement) => Object.fromEntries([...place.querySelectorAll("dl > div")].map((one) => texts(one, "dt, dd").map((text) => text.replaceAll("\u00a0", " "))));

  it("says what an operator does and how it fares", () => {
    const { place } = shown(running(), "filter_0");
    expect(texts(place, ".sabot-operators b")).toEqual(["filter_0", "select_0"]);
    expect(found(place, ".sabot-operators").textContent).toMatch(/emitted, [\d.]+k\/s, \d+ % of its tasks’ time/);
    expect(facts(place)).toMatchObject({
      tasks: "4 tasks RUNNING", busiest: "task 0, 12 % busy", spread: "even: task 0 gets 1.0 times the mean",
      queue: "empty", latency: "p50 12 ms, p99 250 ms",
    });
    expect(found(place, ".sabot-meter").getAttribute("aria-label")).toBe("load: busy 11 %, backpressured 2 %, idle 87 %");
  });

  it("says how late rows and silence show", () => {
    const { place } = shown(changed(running(), "join_0", { late: 12, idle_since: running().live.metrics!.at - 7 }), "join_0");
    expect(facts(place)).toMatchObject({ late: "12 rows", idle: "no rows for 7.0 s" });
  });

  it("says when nothing runs yet, or nothing ever", () => {
    expect(facts(shown(pending(), "filter_0").place)).toMatchObject({ tasks: "4 tasks, not started" });
    const job = running();
    Object.assign(job.graph.picture.views[1]!.nodes[1]!, { vertices: [], note: "merged into flights" });
    const { place } = shown(job, "filter_0");
    expect(place.textContent).toContain("merged into flights");
    expect(place.textContent).toContain("No task runs it.");
  });

  it("of one operator of a chain names the operators whose metrics it shows", () => {
    const job = running();
    Object.assign(job.graph.picture.views[1]!.nodes[1]!, { operators: ["filter_0"] });
    const { place } = shown(job, "filter_0");
    expect(place.textContent).toContain("these are the metrics of filter_0 and select_0 together");
  });

  it("of tasks calls busiest one that runs, not one that ended after a busy moment", async () => {
    const job = running();
    const [ended, other] = job.tasks.filter((task) => task.vertex === "filter_0");
    Object.assign(ended!, { state: "FINISHED", load: { busy: 1, idle: 0, backpressured: 0 } });
    Object.assign(other!, { load: { busy: 0.5, idle: 0.5, backpressured: 0 } });
    const { place } = shown(job, "filter_0", "tasks");
    await happens(() => {});
    expect(place.textContent).toContain(`busiest: task ${other!.index}, 50 % busy`);
  });

  it.each([
    [0, "No task of filter_0 has received a row yet."],
    [1, "Each task of join_0 counts the rows of all its inputs together."],
  ])("of an edge without shares says why there are none (%i)", (index, words) => {
    const job = running();
    job.live.metrics!.edges[index]!.shares = [];
    expect(shown(job, { kind: "edge", index }).place.textContent).toContain(words);
  });

  it("of an edge into many tasks shows those that get most", () => {
    const job = running();
    job.live.metrics!.vertices[1]!.tasks = 1000;
    const { place } = shown(job, { kind: "edge", index: 0 });
    expect(place.textContent).toContain("and 996 more tasks");
  });

  it("of an edge says how rows travel, and who gets how many", () => {
    const job = backpressured();
    Object.assign(job.live.metrics!.edges[1]!, { shares: [[1, 0.61], [0, 0.2], [2, 0.19], [3, 0]].map(([task, part]) => ({ task, part })) });
    const { place } = shown(job, { kind: "edge", index: 1 });
    expect(texts(place, "[role=tab]")).toEqual(["Overview", "Sample", "Code"]);
    expect(facts(place)).toMatchObject({
      spread: "hash(carrier): rows of one key go to one task", channels: "16 channels",
      queue: "3.6 MB queued, 182 ms of work, fullest channel 91 % full",
    });
    expect([...place.querySelectorAll("li")].map((one) => texts(one, "span:not(.sabot-meter, .sabot-busy)"))).toEqual([
      ["task 1", "61 %"], ["task 0", "20 %"], ["task 2", "19 %"], ["task 3", "0 %"],
    ]);
  });
});

describe("tasks and state", () => {
  it("begin with the worst task", async () => {
    const { place } = shown(backpressured(), "join_0", "tasks");
    await happens(() => {});
    expect(texts(place, ".sabot-worst li")).toEqual(["busiest: task 0, 98 % busy", "most rows: task 0, 2.6 times the mean"]);
    expect(cells(place).map(([task, , , , busy]) => [task, busy])).toEqual([["0", "98 %"], ["3", "35 %"], ["1", "31 %"], ["2", "28 %"]]);
  });

  it("say first how often each failed and when it last reported, where a narrow panel shows it", async () => {
    const job = running();
    const [task] = job.tasks.filter(({ vertex, index }) => vertex === "filter_0" && index === 0);
    Object.assign(task!, { failures: 2, reported: job.live.metrics!.at - 8 });
    const { place } = shown(job, "filter_0", "tasks");
    await happens(() => {});
    const begins = cells(place).map((row) => row.slice(0, 4));
    expect(begins).toContainEqual(["0", "RUNNING", "2", "8 s ago"]);
    expect(begins).toContainEqual(["1", "RUNNING", "0", "0 s ago"]);
  });

  it("name the one that failed", async () => {
    const { place } = shown(failed(), "filter_0", "tasks");
    await click(found(place, "[role=tab]", "Tasks"));
    await happens(() => {});
    expect(texts(place, ".sabot-worst li")[0]).toBe("task 2 FAILED on agent-2");
  });

  it("are asked for again and again while the job runs, and while they are looked at", async () => {
    vi.useFakeTimers();
    const { model, store, place } = shown(running(), "filter_0", "tasks");
    const rows = (seconds: number) => happens(() => vi.advanceTimersByTimeAsync(1000 * seconds)).then(() => cells(place).length);
    expect(await rows(0)).toBe(4);
    model.tasks = model.tasks.slice(5);
    expect(await rows(1)).toBe(3);
    expect(found(place, "[role=tabpanel]").textContent).toContain("the 3 busiest of 4 tasks");
    await happens(() => (store.tab.value = "overview"));
    model.tasks = [];
    expect(await rows(5)).toBe(0);
    await happens(() => (store.tab.value = "tasks"));
    expect(await rows(0)).toBe(0);
    expect(place.textContent).toContain("No task runs here.");
    vi.useRealTimers();
  });

  it("say what keeps them from coming", async () => {
    vi.spyOn(FakeModel.prototype, "send").mockImplementation(() => {});
    const { model, place, store } = shown(running(), "filter_0", "tasks");
    expect(place.textContent).toContain("Fetching tasks…");
    await happens(() => model.answer({ id: store.pending.value[0]!.id, ok: false, text: "the cluster does not answer" }));
    expect(place.textContent).toContain("the cluster does not answer");
    expect(store.notice.value).toBeNull();
    vi.restoreAllMocks();
  });

  it("say where no state is held", () => {
    const { place } = shown(running(), "filter_0", "state");
    expect(place.textContent).toContain("Stateless: filter and select keep nothing between batches.");
    expect(place.querySelector("table")).toBeNull();
  });

  it("show the state of each task, the largest first", async () => {
    const job = changed(running(), "join_0", { state_keys: 30, state_bytes: 3000 });
    job.tasks.filter((one) => one.vertex === "join_0").forEach((one, place) => Object.assign(one, { state_keys: place, state_bytes: place * 1000 }));
    const { place } = shown(job, "join_0", "state");
    await happens(() => {});
    expect(place.textContent).toContain("30 keys in 3.0 kB");
    expect(cells(place)[0]).toEqual(["3", "3", "3.0 kB", "agent-3"]);
  });
});

describe("code", () => {
  it("is shown as it is, with its place and the columns that leave", () => {
    const { place } = shown(running(), "filter_0", "code");
    expect(texts(place, "h4")).toEqual(["filter_0 cell [3], line 2", "select_0 cell [3], line 2"]);
    expect(texts(place, "pre")[0]).toBe("flights.filter_0(...)");
    expect(texts(place, ".sabot-columns div")).toContain("delaydouble");
  });

  it("of 500 columns shows some, and all when asked to", async () => {
    const job = running();
    job.graph.picture.operators[1]!.columns = Array.from({ length: 500 }, (_, column): [string, string] => [`c${column}`, "int64"]);
    const { place } = shown(job, "filter_0", "code");
    expect(place.querySelectorAll(".sabot-columns")[0]!.children).toHaveLength(30);
    await click(found(place, "button", "show all 500"));
    expect(place.querySelectorAll(".sabot-columns")[0]!.children).toHaveLength(500);
  });
});

describe("errors", () => {
  it("come first when the selected operator failed", () => {
    const { place } = shown(failed(), "filter_0");
    expect(texts(place, "[role=tab]")[0]).toBe("Errors ✕ failed");
    expect(found(place, "[role=tab][aria-selected=true]").textContent).toBe("Errors ✕ failed");
    expect(texts(place, "mark")).toEqual(["    return distance / air_time"]);
    expect(found(place, "pre", "rows it was given").textContent).toContain("1400,0");
    expect(found<HTMLDetailsElement>(place, "details").open).toBe(false);
  });

  it("come when the operator fails that is looked at", async () => {
    const { model, store, place } = shown(running(), "filter_0", "code");
    await happens(() => model.put("live", failed().live));
    expect(store.tab.value).toBe("errors");
    expect(place.textContent).toContain("division by zero");
  });

  it("stay where they are as news come", async () => {
    const { model, store, place } = shown(failed(), "filter_0");
    await click(found(place, "[role=tab]", "Code"));
    await happens(() => model.put("live", { ...failed().live, seq: 9 }));
    expect(store.tab.value).toBe("code");
  });

  it("of another operator are one press away", async () => {
    const { place, store } = shown(failed(), "flights");
    await click(found(place, "[role=tab]", "Errors"));
    expect(found(place, "[role=tabpanel]").textContent).toBe("No error here. The job failed at filter_0.");
    await click(found(place, "button", "filter_0"));
    expect(store.selected.value).toEqual({ kind: "node", id: "filter_0" });
    expect(store.tab.value).toBe("errors");
  });

  it("are none in a job that is well", async () => {
    const { place } = shown(running(), "flights");
    await click(found(place, "[role=tab]", "Errors"));
    expect(found(place, "[role=tabpanel]").textContent).toBe("No errors in this operator.");
  });
});
