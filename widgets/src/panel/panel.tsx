import type { Store } from "../store";

/** What is known of the selected node or edge. */
export function Panel({ store }: { store: Store }) {
  return store.selected.value ? <div class="sabot-panel" /> : null;
}
