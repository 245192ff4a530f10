/** Buttons that select the view of the job. */
import { show } from "./selection";
import type { Store, ViewName } from "./store";

const VIEWS: [ViewName, string][] = [
  ["logical", "As written: an operator per box"],
  ["optimized", "As it runs: a chain of operators per box"],
  ["physical", "Where it runs: tasks by agent"],
  ["table", "The same metrics as a table"],
];

export function ViewSwitch({ store }: { store: Store }) {
  return (
    <div class="sabot-views" role="group" aria-label="View">
      {VIEWS.map(([name, title]) => (
        <button
          key={name}
          type="button"
          title={title}
          aria-pressed={store.view.value === name}
          onClick={() => show(store, name)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}
