/** What the job promises about its output, as a quiet line below everything; the details are its tooltip. */
import type { Store } from "../store";

/** States of jobs that say themselves what became of their output. */
const WITHOUT_OUTPUT = ["FAILING", "FAILED", "CANCELING", "CANCELED"];

export function Guarantee({ store }: { store: Store }) {
  const { guarantee, guarantee_details: details } = store.graph.value?.picture ?? {};
  const state = store.live.value?.metrics?.state ?? "";
  if (!guarantee || WITHOUT_OUTPUT.includes(state)) return null;
  return (
    <footer class="sabot-guarantee" title={details}>
      {guarantee}
    </footer>
  );
}
