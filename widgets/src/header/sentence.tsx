/** The finding about the job, in a sentence. */
import { counted, cut } from "../format";
import type { JobMetrics } from "../messages";
import { nodeWith, showOperator, viewOf } from "../selection";
import type { Store } from "../store";

const LETTERS = 300;

export function Sentence({ store }: { store: Store }) {
  const live = store.lost.value ? null : store.live.value;
  const finding = live?.metrics?.finding;
  const text = finding?.sentence || (live?.metrics?.waits ? `The job ${live.metrics.waits}.` : "");
  const again = live?.metrics ? startedAgain(live.metrics) : "";
  const failing = store.over.value ? "" : (live?.metrics?.checkpoint_failure ?? "");
  if (!text && !again && !failing) return null;
  const operator = finding?.operator ?? "";
  const known = operator !== "" && nodeWith(viewOf(store.graph.value, "optimized"), operator) !== null;
  return (
    <div class={`sabot-sentence is-${finding?.kind ?? "waiting"}`}>
      <p>
        <span>{cut(text, LETTERS)}</span>
        {finding?.advice && <span class="sabot-faint"> → {cut(finding.advice, LETTERS)}</span>}
        {again && <small class="sabot-faint">{cut(again, LETTERS)}</small>}
        {failing && <small>⚠ {cut(failing, LETTERS)}</small>}
      </p>
      {known && (
        <button type="button" onClick={() => open(store, operator)}>
          Show
        </button>
      )}
    </div>
  );
}

function startedAgain({ state, restarts, lost, goes_on_from: checkpoint }: JobMetrics): string {
  if (restarts === 0 || state === "PENDING" || state === "RESTARTING") return "";
  const why = lost && `: ${lost}`; // a resumed job may have lost no worker since
  const from = checkpoint ? `went on from ${checkpoint}` : "began at the beginning";
  return `started again ${counted(restarts, "time")}${why}; ${from}`;
}

function open(store: Store, operator: string): void {
  store.tab.value = store.live.value?.metrics?.finding?.kind === "failed" ? "errors" : "overview";
  showOperator(store, operator);
}
