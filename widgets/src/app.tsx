/** The output of a job. */
import type { Store } from "./store";
import { Panel } from "./panel/panel";
import { TableView } from "./table/table_view";

export function App({ store }: { store: Store }) {
  return (
    <div class="sabot-job">
      <header>{store.graph.value?.job} {store.live.value?.metrics?.state}</header>
      {store.view.value === "table" && <TableView store={store} />}
      <Panel store={store} />
    </div>
  );
}
