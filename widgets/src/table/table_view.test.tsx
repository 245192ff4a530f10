import { describe, expect, it } from "vitest";

import { makeStore } from "../store";
import { click, drawn, found, happens, texts } from "../testing/drawn";
import { FakeModel } from "../testing/fake_model";
import { failed, hostile, large, running } from "../testing/fixtures";
import type { MadeJob } from "../testing/jobs";
import { TableView } from "./table_view";

function shown(job: MadeJob) {
  const model = new FakeModel({ graph: job.graph, live: job.live });
  const store = makeStore(model);
  return { model, store, place: drawn(<TableView store={store} />) };
}

describe("the table view", () => {
  it("has a row for each box, in the order of the graph", () => {
    const { place } = shown(running());
    expect(texts(place, "td:first-child")).toEqual(["flights", "filter_0 · selec", "airlines", "join_0 · by_carr", "collect_0"]);
  });

  it("has the figures of the graph", () => {
    const { place } = shown(running());
    const row = found(place, "tbody tr", "filter_0");
    expect(texts(row, "td").slice(1)).toEqual([
      "dep_delay > 15", "4", "4 RUNNING", "31.0M", "41.2k/s", "6,849,120", "9.1k/s", "12 %", "2 %", "0 %", "0 B",
    ]);
  });

  it("follows the job", async () => {
    const job = running();
    const { model, place } = shown(job);
    const metrics = { ...job.live.metrics!, vertices: job.live.metrics!.vertices.map((one) => ({ ...one, states: { FINISHED: one.tasks } })) };
    await happens(() => model.put("live", { ...job.live, seq: 2, metrics }));
    expect(texts(found(place, "tbody tr", "collect_0"), "td")[3]).toBe("1 FINISHED");
  });

  it("opens an operator in the panel, and says which is open", async () => {
    const { place, store } = shown(running());
    await click(found(place, "td button", "airlines"));
    expect(store.selected.value).toEqual({ kind: "node", id: "airlines" });
    expect(texts(place, "tr[aria-current] td:first-child")).toEqual(["airlines"]);
  });

  it("marks the operator that failed, in words too", () => {
    const { place } = shown(failed());
    expect(texts(place, "tr.sabot-failed td:nth-child(4)")).toEqual(["1 FAILED, 3 CANCELED"]);
  });

  it("sorts by what is worst", async () => {
    const { place } = shown(large(30));
    await click(found(place, "th button", "busy"));
    const busy = texts(place, "td:nth-child(9)").map((text) => parseInt(text));
    expect(busy).toEqual([...busy].sort((one, other) => other - one));
  });

  it("shows names with markup as text", () => {
    const { place } = shown(hostile());
    expect(place.querySelector("img, script")).toBeNull();
  });

  it("says when there is no graph", () => {
    expect(drawn(<TableView store={makeStore(new FakeModel())} />).textContent).toBe("No graph yet.");
  });
});
