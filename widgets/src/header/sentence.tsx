/** The finding about the job, in a sentence. */
import { cut } from "../format";
import { nodeWith, showOperator, viewOf } from "../selection";
import type { Store } from "../store";

const LETTERS = 300;

export function Sentence({ store }: { store: Store }) {
  const live = store.lost.value ? null : store.live.value;
  const finding = live?.metrics?.finding;
  const text = finding?.sentence || (live?.metrics?.waits ? `The job ${live.metrics.waits}.` : "");
  if (!text) return null;
  const operator = finding?.operator ?? "";
  const known = operator !== "" && nodeWith(viewOf(store.graph.value, "optimized"), operator) !== null;
  return (
    <div class={`sabot-sentence is-${finding?.kind ?? "waiting"}`}>
      <p>
        <span>{cut(text, LETTERS)}</span>
        {finding?.advice && <span class="sabot-faint"> → {cut(finding.advice, LETTERS)}</span>}
      </p>
      {known && (
        <button type="button" onClick={() => open(store, operator)}>
          Show
        </button>
      )}
    </div>
  );
}

function open(store: Store, operator: string): void {
  store.tab.value = store.live.value?.metrics?.finding?.kind === "failed" ? "errors" : "overview";
  showOperator(store, operator);
}
