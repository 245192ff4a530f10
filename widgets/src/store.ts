/** The state that the views of one output share: the model's traits as signals, the selection, and the commands. */
import { type ReadonlySignal, type Signal, computed, signal } from "@preact/signals";
import { type Kind, type Pending, makeCommands } from "./commands";
import type { Answer, Command, Graph, Live, VertexMetrics } from "./messages";
import type { Model } from "./model";
import { graphOf, liveOf } from "./reading";

export type { Kind, Pending } from "./commands";
export type ViewName = "logical" | "optimized" | "physical" | "table";
export type Tab = "overview" | "tasks" | "state" | "sample" | "rejected" | "code" | "errors";
export type Selection = { kind: "node"; id: string } | { kind: "edge"; index: number };

/** The text below the header; `at` is the page's clock, in seconds. */
export interface Notice {
  ok: boolean;
  text: string;
  at: number;
}

export interface Store {
  readonly graph: ReadonlySignal<Graph | null>;
  readonly live: ReadonlySignal<Live | null>;
  /** The last metrics by vertex id. */
  readonly vertices: ReadonlySignal<ReadonlyMap<string, VertexMetrics>>;
  readonly view: Signal<ViewName>;
  /** A node by the id of its box in the view, or an edge by its index in the execution graph. */
  readonly selected: Signal<Selection | null>;
  readonly tab: Signal<Tab>;
  readonly notice: Signal<Notice | null>;
  readonly pending: ReadonlySignal<Pending[]>;
  /** Seconds since the epoch by the page's clock, once a second while the job is not over. */
  readonly now: ReadonlySignal<number>;
  /** When the last metrics arrived, by the page's clock. */
  readonly lastNews: ReadonlySignal<number>;
  /** False if a job that is not over has sent no metrics for more than `STALE_SECONDS`. */
  readonly fresh: ReadonlySignal<boolean>;
  /** True if nothing changes any more: the job has ended, or its metrics are no longer updated. */
  readonly over: ReadonlySignal<boolean>;
  /** Why the metrics of a job that has not ended are not updated; else empty. */
  readonly lost: ReadonlySignal<string>;
  /** Repeats a command until it is answered, and puts the answer into `notice`. */
  send(kind: Kind, args?: Command["args"]): Promise<Answer>;
  dispose(): void;
}

export const STALE_SECONDS = 5;
const TERMINAL = ["FINISHED", "FAILED", "CANCELED"];
const seconds = (): number => Date.now() / 1000;

export function makeStore(model: Model): Store {
  const graph = signal(graphOf(model.get("graph")));
  const live = signal(liveOf(model.get("live")));
  const now = signal(seconds());
  const lastNews = signal(seconds());
  const notice = signal<Notice | null>(null);
  const ended = computed(() => TERMINAL.includes(live.value?.metrics?.state ?? ""));
  const lost = computed(() => (ended.value ? "" : (live.value?.gone ?? "")));
  const over = computed(() => ended.value || lost.value !== "");
  const commands = makeCommands(model, () => graph.value?.run ?? 0, seconds);

  const onGraph = (): void => {
    graph.value = graphOf(model.get("graph"));
  };
  const onLive = (): void => {
    live.value = liveOf(model.get("live"));
    lastNews.value = now.value = seconds();
  };
  model.on("change:graph", onGraph);
  model.on("change:live", onLive);
  const ticking = setInterval(() => {
    if (!over.value || commands.pending.value.length) now.value = seconds();
  }, 1000);

  return {
    graph,
    live,
    vertices: computed(() => new Map(live.value?.metrics?.vertices.map((one) => [one.id, one]))),
    view: signal<ViewName>("optimized"),
    selected: signal<Selection | null>(null),
    tab: signal<Tab>("overview"),
    notice,
    pending: commands.pending,
    now,
    lastNews,
    fresh: computed(() => over.value || now.value - lastNews.value <= STALE_SECONDS),
    over,
    lost,
    async send(kind, args) {
      const answer = await commands.send(kind, args);
      const quiet = kind === "tasks" || kind === "samples" || (kind === "probe" && answer.ok);
      if (!quiet) notice.value = { ok: answer.ok, text: answer.text, at: seconds() };
      return answer;
    },
    dispose() {
      clearInterval(ticking);
      model.off("change:graph", onGraph);
      model.off("change:live", onLive);
      commands.dispose();
    },
  };
}
