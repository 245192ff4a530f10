/**
 * Shows made-up jobs: all of them, or `?job=failed`, `?job=large&vertices=30`; `&width=600`, `&moving` figures, in a
 * `&shadow` root, with a kernel that is `&silent`.
 */
import widget from "../src/index";
import type { Command } from "../src/messages";
import * as fixtures from "../src/testing/fixtures";
import { FakeModel } from "../src/testing/fake_model";
import type { MadeJob } from "../src/testing/jobs";

const wanted = new URLSearchParams(location.search);
const names = ["running", "backpressured", "failed", "finished", "paused", "pending", "hostile"] as const;

/** Answers as the kernel would, a moment later. */
class AnsweringModel extends FakeModel {
  override send(content: unknown): void {
    super.send(content);
    const { id, kind } = content as Command;
    if (kind !== "tasks" && !wanted.has("silent")) setTimeout(() => this.answer({ id, text: `late: ${kind} is done`, sample: null }), 200);
  }
}

function show(job: MadeJob): void {
  const place = document.createElement("div");
  place.style.cssText = `width:${wanted.get("width") ?? 900}px;max-width:100%;margin-bottom:16px`;
  document.body.append(place);
  const el = wanted.has("shadow")
    ? place.attachShadow({ mode: "open" }).appendChild(document.createElement("div"))
    : place;
  const model = new AnsweringModel({ ...job });
  widget.render({ model, el });
  if (wanted.has("moving")) setInterval(() => model.put("live", moved(job)), 250);
}

/** The same job a moment later. */
function moved(job: MadeJob): MadeJob["live"] {
  const live = structuredClone(job.live);
  live.seq = job.live.seq += 1;
  const metrics = live.metrics;
  if (!metrics) return live;
  metrics.at = Date.now() / 1000;
  for (const vertex of metrics.vertices) {
    const change = 0.9 + 0.2 * Math.random();
    vertex.into.rows_rate *= change;
    vertex.out.rows_rate *= change;
    vertex.load.busy = Math.min(1, vertex.load.busy * change);
    vertex.load.idle = Math.max(0, 1 - vertex.load.busy - vertex.load.backpressured);
    vertex.history = [...vertex.history.slice(1), vertex.into.rows_rate];
  }
  for (const edge of metrics.edges) edge.sent.rows_rate *= 0.9 + 0.2 * Math.random();
  return live;
}

const job = wanted.get("job");
if (job === "large") show(fixtures.large(Number(wanted.get("vertices") ?? 30), Number(wanted.get("tasks") ?? 8)));
else for (const name of names) if (!job || job === name) show(fixtures[name]());
