import { afterEach, beforeEach, expect, test, vi } from "vitest";
import widget from "./index";
import { FakeModel } from "./testing/fake_model";
import { click, found, happens, press, texts } from "./testing/drawn";
import { backpressured, failed, finished, hostile, large, paused, pending, running } from "./testing/fixtures";
import type { MadeJob } from "./testing/jobs";

let end = (): void => {};
let model: FakeModel;
let place: HTMLElement;

function show(job: MadeJob | object): void {
  end();
  model = new FakeModel(job);
  place = document.body.appendChild(document.createElement("div"));
  const close = widget.render({ model, el: place });
  end = () => {
    close();
    place.remove();
  };
}

const text = (): string => place.querySelector(".sabot")?.textContent ?? "";
const at = (name: string): SVGElement => place.querySelector<SVGElement>(`[data-at="${name}"]`) as SVGElement;
const passes = (seconds: number) => happens(() => vi.advanceTimersByTimeAsync(seconds * 1000));
const button = (name: string): HTMLButtonElement => found(place, "button", name);

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  end();
  end = () => {};
  vi.useRealTimers();
});

test.each([
  [running(), "RUNNING", "41.3k/s"],
  [paused(), "PAUSED", "0/s"],
  [pending(), "PENDING", "The job needs 4 slots, 2 free."],
  [failed(), "FAILED", "ZeroDivisionError"],
  [finished(), "FINISHED", "31.0M"],
])("the header says how it goes %#", (job, state, figure) => {
  show(job);
  expect(text()).toContain(state);
  expect(text()).toContain(figure);
});

test.each([running(), { _face: "table" }])("every view tells the kernel that a page shows it %#", (what) => {
  show(what);
  expect([model.greetings, model.sent]).toEqual([1, []]);
});

test("without a kernel a view is drawn all the same", () => {
  vi.spyOn(FakeModel.prototype, "send").mockImplementation(() => {
    throw new Error("no comm");
  });
  show(finished());
  expect(text()).toContain("FINISHED");
});

test("every box says what an eye sees", () => {
  show(backpressured());
  expect(at("node-3").getAttribute("aria-label")).toBe(
    "join_0 · by_carrier, running, 4 of 4 tasks running, 9.1k → 310/s, busy 48 %, idle 52 %, backpressured 0 %, skew 2.6, skewed",
  );
  expect(at("line-1").getAttribute("aria-label")).toContain("queue 91 % full");
});

test("pause is sent, waits for the kernel, and its answer is said", async () => {
  show(running());
  await click(button("Pause"));
  await click(button("Pausing…"));
  expect(model.sent.map((one) => one.kind)).toEqual(["pause"]);
  expect(text()).not.toContain("waiting for the kernel");
  await passes(1.1);
  expect(text()).toContain('waiting for the kernel to answer "pause" (a cell may be running)');
  await happens(() => model.answer({ text: "late is paused" }));
  expect(text()).toContain("late is paused");
  await happens(() => model.put("live", paused().live));
  await passes(1);
  await click(button("Resume"));
  expect(model.sent.at(-1)?.kind).toBe("resume");
});

test("the second of two clicks on Pause does not resume the job", async () => {
  show(running());
  await click(button("Pause"));
  await happens(() => model.answer());
  await happens(() => model.put("live", paused().live));
  await passes(0.3);
  await click(button("Resume"));
  await happens(() => model.put("live", { ...paused().live, seq: 9 }));
  await passes(0.4);
  expect(model.sent.map((one) => one.kind)).toEqual(["pause"]);
  await click(button("Resume"));
  expect(model.sent.map((one) => one.kind)).toEqual(["pause", "resume"]);
});

test("cancel asks first, without leaving the header", async () => {
  show(running());
  await click(button("Cancel"));
  expect(document.activeElement?.textContent).toBe("Keep it running");
  await click(button("Keep it running"));
  await press(document.activeElement as HTMLElement, "Escape");
  expect(model.sent).toEqual([]);
  expect(document.activeElement?.textContent).toBe("Cancel");
  await passes(1);
  await click(button("Cancel"));
  await passes(1);
  await click(button("Yes, cancel"));
  expect(model.sent.map((one) => one.kind)).toEqual(["cancel"]);
});

test("a refusal is said, and can be put away", async () => {
  show(running());
  await click(button("Stop"));
  await happens(() => model.answer({ ok: false, text: "late has already FINISHED: nothing to stop" }));
  expect(found(place, ".sabot-notice.is-refused").textContent).toContain("nothing to stop");
  await click(button("Dismiss"));
  expect(place.querySelector(".sabot-notice")).toBeNull();
});

test("a job that is stopping says so, and can only be canceled", () => {
  const job = running();
  job.live.metrics!.stopping = true;
  show(job);
  expect(text()).toContain("STOPPING");
  expect(texts(place, "header button")).toEqual(["Cancel"]);
});

test("a job that is over has no buttons to steer it", () => {
  show(finished());
  expect(texts(place, "header button")).toEqual([]);
});

test("silence is said after a while, and where the cluster went away why", async () => {
  show(running());
  await passes(12);
  expect(text()).toContain("no update for 12 s");
  await happens(() => model.put("live", { ...running().live, trouble: "the cluster does not answer" }));
  expect(text()).toContain("the cluster does not answer: asking again");
  expect(texts(place, "header button")).toContain("Pause");
  await happens(() => model.put("live", running().live));
  expect(text()).not.toContain("asking again");
  await happens(() => model.put("live", { ...running().live, gone: "the cluster was closed" }));
  expect(text()).toMatch(/DISCONNECTED.*Last seen RUNNING at [\d:]+.*: the cluster was closed/);
  expect(texts(place, "header button")).toEqual([]);
  expect(place.querySelector(".sabot-sentence, .sabot-load, .sabot-progress")).toBeNull();
  expect(at("node-0").getAttribute("aria-label")).toContain("lost");
});

test("the sentence shows the operator that it is about", async () => {
  show(backpressured());
  await click(button("Show"));
  expect(at("node-3").getAttribute("aria-pressed")).toBe("true");
  expect(place.querySelector(".sabot-side")).not.toBeNull();
});

test.each([
  ["RUNNING", "", "worker agent-2 was lost", "started again 1 time: worker agent-2 was lost; began at the beginning"],
  ["RUNNING", "checkpoint 4", "worker agent-2 was lost", "started again 1 time: worker agent-2 was lost; went on from checkpoint 4"],
  ["RUNNING", "checkpoint 4", "", "started again 1 time; went on from checkpoint 4"],
  ["RESTARTING", "checkpoint 4", "worker agent-2 was lost", ""],
  ["PENDING", "checkpoint 4", "", ""],
])("a job that is %s after a loss, from %j, says so", (state, goes_on_from, lost, note) => {
  const { graph, live } = backpressured();
  const metrics = live.metrics && { ...live.metrics, state, restarts: 1, lost, goes_on_from };
  show({ graph, live: { ...live, metrics }, tasks: [] });
  expect(place.querySelector(".sabot-sentence small")?.textContent ?? "").toBe(note);
});

test("the header says when the last checkpoint was, until the job is over", () => {
  const job = running();
  job.live.metrics!.checkpointed = job.live.metrics!.at - 8;
  show(job);
  expect(texts(place, ".sabot-figures > div")).toContain("checkpoint8 s ago");
  const over = finished();
  over.live.metrics!.checkpointed = over.live.metrics!.at - 8;
  show(over);
  expect(place.querySelector(".sabot-figures")!.textContent).not.toContain("checkpoint");
});

test.each([
  [running(), "files: exactly once, all of them at the end · checkpoints every 60 s"],
  [finished(), "files: exactly once, all of them at the end · checkpoints every 60 s"],
  [failed(), undefined],
])("a line below says what the job promises about its output, unless it fails %#", (job, line) => {
  show(job);
  const shown = place.querySelector<HTMLElement>(".sabot-guarantee");
  expect(shown?.textContent).toBe(line);
  expect(shown?.title).toBe(line && job.graph.picture.guarantee_details);
});

test("checkpoints that fail are said with the reason", () => {
  const job = running();
  job.live.metrics!.checkpoint_failure = "the last 2 checkpoints failed: 'x' cannot be written";
  show(job);
  expect(place.querySelector(".sabot-sentence small")!.textContent).toBe(
    "⚠ the last 2 checkpoints failed: 'x' cannot be written",
  );
});

test("keys walk the graph, open the panel and close it", async () => {
  show(running());
  at("node-0").focus();
  for (const key of ["ArrowRight", "ArrowRight", "Enter"]) await press(document.activeElement as HTMLElement, key);
  expect(document.activeElement).toBe(at("node-1"));
  expect(at("node-1").getAttribute("aria-pressed")).toBe("true");
  await press(document.activeElement as HTMLElement, "Escape");
  expect(place.querySelector(".sabot-side")).toBeNull();
  expect(document.activeElement).toBe(at("node-1"));
  expect([...place.querySelectorAll("svg [tabindex='0']")]).toEqual([at("node-1")]);
});

test("keys that are not ours are left to the page", async () => {
  show(running());
  const heard = vi.fn();
  place.addEventListener("keydown", heard);
  await press(at("node-0") as unknown as HTMLElement, "x");
  await press(at("node-0") as unknown as HTMLElement, "ArrowRight");
  expect(heard).toHaveBeenCalledTimes(1);
});

test("the wheel is the page's, with Ctrl it is ours", () => {
  show(running());
  const wheel = (ctrlKey: boolean) => new WheelEvent("wheel", { ctrlKey, deltaY: 10, bubbles: true, cancelable: true });
  expect(at("node-0").dispatchEvent(wheel(false))).toBe(true);
  expect(at("node-0").dispatchEvent(wheel(true))).toBe(false);
});

test("every view shows the job, and what is selected stays so", async () => {
  show(running());
  await happens(() => at("node-1").dispatchEvent(new MouseEvent("click", { bubbles: true })));
  for (const view of ["logical", "physical", "table", "optimized"]) {
    await click(found(place, ".sabot-views button", view));
    expect(found(place, ".sabot-views button", view).getAttribute("aria-pressed")).toBe("true");
    expect(text()).toContain("filter_0");
    expect(place.querySelector(".sabot-side")).not.toBeNull();
  }
});

test("tasks are where they run, and arrow keys walk over them", async () => {
  show(backpressured());
  await click(found(place, ".sabot-views button", "physical"));
  await passes(0);
  expect(texts(place, ".sabot-physical tbody th")).toEqual(["agent-0", "agent-1", "agent-2", "agent-3"]);
  const chip = found<HTMLElement>(place, ".sabot-chip", "join_0[0]");
  expect(chip.textContent).toBe("[0]98 %");
  chip.focus();
  await press(chip, "ArrowDown");
  expect(document.activeElement?.getAttribute("aria-label")).toContain("join_0[1]");
  await press(document.activeElement as HTMLElement, "ArrowRight");
  expect(document.activeElement?.getAttribute("aria-label")).toContain("join_0[1]");
  await press(document.activeElement as HTMLElement, "ArrowLeft");
  expect(document.activeElement?.getAttribute("aria-label")).toContain("filter_0[1]");
  await click(document.activeElement as HTMLElement);
  expect(found(place, ".sabot-side").textContent).toContain("filter_0");
});

test("readers hear changes of the state, not of figures", async () => {
  show(running());
  const spoken = (): string => found(place, "[role=status]").textContent ?? "";
  const before = spoken();
  expect(before).toContain("Job late is RUNNING");
  const moved = running().live;
  if (moved.metrics) moved.metrics.rows_in.rows_rate = 5;
  await happens(() => model.put("live", moved));
  expect(spoken()).toBe(before);
  await happens(() => model.put("live", failed().live));
  expect(spoken()).toContain("FAILED: division by zero");
});

test("markup in names is text, long names are cut", () => {
  show(hostile());
  expect(place.querySelectorAll("img, script")).toHaveLength(0);
  expect(text()).toContain("<img src=x");
  expect(place.innerHTML.length).toBeLessThan(80_000);
});

test.each([
  [{}, "No job to show"],
  [{ graph: running().graph, live: {} }, "STARTING"],
  [{ graph: running().graph, live: { seq: 0, metrics: null, gone: "" } }, "STARTING"],
  [
    { graph: running().graph, live: { metrics: { state: "RUNNING", job: "late", vertices: [{ id: "flights" }] } } },
    "RUNNING",
  ],
  [{ graph: { picture: {} }, live: running().live }, "The job has no graph"],
])("what is missing is left out %#", (traits, said) => {
  show(traits);
  expect(text()).toContain(said);
});

test("at the end a page that was loaded again puts the card in the place of its views", async () => {
  const view = (model_id: string) => ({ data: { "application/vnd.jupyter.widget-view+json": { model_id } } });
  const outputs = [{ data: { "text/plain": "6" } }, view("mine"), view("other")] as object[];
  const listed = {
    length: outputs.length,
    get: (at: number) => outputs[at],
    set: (at: number, output: object) => (outputs[at] = output),
  };
  show(running());
  model.widget_manager = { context: { model: { cells: [{}, { outputs: listed }] } } };
  const data = { "text/html": "<b>late</b>", "text/plain": "late" };
  await happens(() => model.put("card", { model: "mine", data }));
  await passes(0.1);
  const [text, mine, other] = outputs;
  expect([text, other]).toEqual([{ data: { "text/plain": "6" } }, view("other")]);
  expect(mine).toEqual({ output_type: "display_data", data, metadata: {} });
});

test("two views of a job follow the same model, and leave nothing when they go", () => {
  show(large(30));
  const other = document.body.appendChild(document.createElement("div"));
  const close = widget.render({ model, el: other });
  expect(other.querySelectorAll("[data-at^=node]")).toHaveLength(30);
  close();
  end();
  expect(model.listening).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
  other.remove();
});
