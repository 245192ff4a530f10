/** A job's state as a word, an icon and a sentence. */
import { clock } from "../format";
import type { JobMetrics } from "../messages";

export type Sign = "waiting" | "running" | "paused" | "finished" | "failed" | "canceled";

export interface State {
  word: string;
  sign: Sign;
}

const SIGNS: Record<string, Sign> = {
  PENDING: "waiting",
  DEPLOYING: "waiting",
  RUNNING: "running",
  RESTARTING: "waiting",
  COMMITTING: "running",
  FINISHED: "finished",
  FAILING: "failed",
  FAILED: "failed",
  CANCELING: "canceled",
  CANCELED: "canceled",
};
const PAUSABLE = ["PENDING", "DEPLOYING", "RUNNING", "RESTARTING"];

export function stateOf(metrics: JobMetrics | null | undefined, gone = ""): State {
  if (gone) return { word: "DISCONNECTED", sign: "canceled" };
  if (!metrics) return { word: "STARTING", sign: "waiting" };
  if (metrics.paused && PAUSABLE.includes(metrics.state)) return { word: "PAUSED", sign: "paused" };
  if (metrics.stopping && metrics.state === "RUNNING") return { word: "STOPPING", sign: "running" };
  return { word: metrics.state || "UNKNOWN", sign: SIGNS[metrics.state] ?? "waiting" };
}

/** Returns how long the job has run: by the cluster's clock up to the last metrics, then by the page's. */
export function uptime(metrics: JobMetrics, sinceNews: number): string {
  const end = metrics.ended ?? metrics.at + Math.max(0, sinceNews);
  return clock(end - (metrics.started ?? metrics.submitted));
}
