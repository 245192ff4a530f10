/** Metrics as sentences, for the panel. Pure. */
import { bytes, count, counted, exactShare, manyLate, seconds, share } from "../format";
import type { OperatorMetrics, Throughput, VertexMetrics } from "../messages";

const STATEFUL = ["aggregate", "distinct", "join", "reduce", "sort", "top", "window"];
const EVEN = 1.2;
const UNEVEN = 2;
const MOST_LAG_SECONDS = 30 * 86400;

const TYPES: Record<string, string> = {
  forward: "each task sends to the task with the same index",
  hash: "rows of one key go to one task",
  broadcast: "every task gets all rows",
  rebalance: "rows go to the task with the most free buffer",
  range: "each task gets a range of keys",
  custom: "your function assigns rows to tasks",
  gather: "all rows go to one task",
};

/** `3 of 4 tasks RUNNING, 1 FAILED`. */
export function tasksByState({ tasks, states }: Pick<VertexMetrics, "tasks" | "states">): string {
  const some = Object.entries(states).filter(([, number]) => number > 0);
  if (some.length === 0) return `${counted(tasks, "task")}, not started`;
  const [first, ...others] = some.sort(([, one], [, other]) => other - one) as [[string, number], ...[string, number][]];
  const begin = first[1] === tasks ? counted(tasks, "task") : `${first[1]} of ${counted(tasks, "task")}`;
  return [`${begin} ${first[0]}`, ...others.map(([state, number]) => `${number} ${state}`)].join(", ");
}

/** How evenly the last rows were distributed over tasks, and which task got the most. */
export function skewInWords({ tasks, skew, skew_task }: VertexMetrics): string {
  if (tasks < 2) return "one task";
  if (skew === null) return "no rows yet";
  const times = `task ${skew_task} gets ${skew.toFixed(1)} times the mean`;
  if (skew < EVEN) return `even: ${times}`;
  return skew < UNEVEN ? `a little uneven: ${times}` : `uneven: ${times}`;
}

export function largest<T>(some: readonly T[], of: (one: T) => number): T | null {
  return some.reduce<T | null>((best, one) => (best === null || of(one) > of(best) ? one : best), null);
}

export function loadInWords({ busy, backpressured, idle }: VertexMetrics["load"]): string {
  if (busy + backpressured + idle === 0) return "not measured yet";
  return `busy ${share(busy)}, backpressured ${share(backpressured)}, idle ${share(idle)}`;
}

/** `empty`, `1.2 MB queued, 0.3 s of work, fullest channel 91 % full`. */
export function queueInWords({ queued, fill, queue_seconds }: { queued: number; fill: number; queue_seconds?: number | null }): string {
  if (queued === 0 && fill === 0) return "empty";
  const work = queue_seconds ? [`${seconds(queue_seconds)} of work`] : [];
  return [...(queued === 0 ? [] : [`${bytes(queued)} queued`]), ...work, `fullest channel ${share(fill)} full`].join(", ");
}

export function latencyInWords(latency: VertexMetrics["latency"]): string {
  return latency ? `p50 ${seconds(latency.p50)}, p99 ${seconds(latency.p99)}` : "not measured yet";
}

/** `2026-11-20 19:38:06 UTC, 1.4 s behind`; `watermark` is in microseconds, `now` in seconds. */
export function watermarkInWords(watermark: number | null, now: number): string {
  if (watermark === null) return "none: no event time here";
  const at = watermark / 1e6;
  const time = instant(watermark);
  if (!time) return "end of input";
  // for recorded data the distance from now has no meaning
  return now - at > MOST_LAG_SECONDS ? time : `${time}, ${seconds(Math.max(0, now - at))} behind`;
}

/** Microseconds as `2026-11-20 19:38:06 UTC`; empty if no calendar has it. */
export function instant(us: number): string {
  const date = new Date(us / 1000);
  return Number.isNaN(date.getTime()) ? "" : `${date.toISOString().replace("T", " ").replace(/\.\d+Z/, "")} UTC`;
}

/** `1,204 late rows, 7 % of its input`, with a sign if that is a fault. */
export function lateInWords({ late, late_share }: Pick<OperatorMetrics, "late" | "late_share">): string {
  if (!late) return "";
  return `${manyLate(late_share) ? "⚠ " : ""}${counted(late, "late row")}, ${exactShare(late_share)} of its input`;
}

export function stateInWords(vertices: readonly VertexMetrics[]): string {
  const keys = vertices.reduce((sum, one) => sum + one.state_keys, 0);
  const size = vertices.reduce((sum, one) => sum + one.state_bytes, 0);
  const spilled = vertices.reduce((sum, one) => sum + one.spilled_bytes, 0);
  const written = spilled ? `; ${bytes(spilled)} were written to temporary files` : "";
  if (keys + size > 0) return `${counted(keys, "key")} in ${bytes(size)}${written}`;
  if (spilled) return `No state in memory${written}`;
  const kinds = [...new Set(vertices.flatMap((one) => one.kinds))];
  const holders = kinds.filter((kind) => STATEFUL.includes(kind));
  if (holders.length && vertices.some((one) => one.into.rows > 0)) return "No state at the moment.";
  if (holders.length) return `No state yet: ${listed(holders)} ${holders.length === 1 ? "keeps" : "keep"} state once rows arrive.`;
  return `Stateless: ${listed(kinds)} ${kinds.length === 1 ? "keeps" : "keep"} nothing between batches.`;
}

/** `hash(carrier): rows of one key go to one task`. */
export function spreadInWords(type: string, keys: readonly string[]): string {
  const way = type.toLowerCase();
  const name = way + (keys.length ? `(${keys.join(", ")})` : "");
  return TYPES[way] ? `${name}: ${TYPES[way]}` : name;
}

/** `12,345 rows in 2.0 s`. */
export function seenInWords(seen: number, during: number): string {
  return `${counted(seen, "row")} in ${during.toFixed(1)} s`;
}

/** Returns the text with non-breaking spaces between numbers and units. */
export function unbroken(text: string): string {
  return text.replace(/(\d) (?=%|[kMGTP]?B\b|m?s\b|min\b|h\b)/g, "$1\u00a0");
}

export function listed(words: readonly string[]): string {
  return words.length < 3 ? words.join(" and ") : `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;
}

export function total(flow: Throughput): string {
  return `${counted(flow.rows, "row")}, ${bytes(flow.bytes)} in ${count(flow.batches)} batches`;
}
