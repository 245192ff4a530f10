/** The output of a job: header, sentence, one of four views, and the panel of the selection. */
import { type Signal, useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { cut } from "./format";
import type { Canvas } from "./graph/canvas";
import { Graph } from "./graph/graph";
import { Toolbar } from "./graph/toolbar";
import { Guarantee } from "./header/guarantee";
import { Header } from "./header/header";
import { Notice } from "./header/notice";
import { Sentence } from "./header/sentence";
import { Panel } from "./panel/panel";
import { PhysicalView } from "./physical/physical_view";
import { viewOf } from "./selection";
import type { Store } from "./store";
import { TableView } from "./table/table_view";
import { ViewSwitch } from "./view_switch";

const NAME_LETTERS = 80;

export function App({ store }: { store: Store }) {
  const hands = useSignal<Canvas | null>(null);
  const before = useRef<HTMLElement | SVGElement | null>(null);
  if (!store.graph.value) return <p class="sabot-nothing">No job to show: re-run its cell.</p>;
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || !store.selected.value) return;
    event.stopPropagation();
    store.selected.value = null;
    before.current?.focus();
  };
  const onFocusIn = ({ target }: FocusEvent): void => {
    const inside = (target as Element).closest(".sabot-side");
    if (!inside) before.current = target as HTMLElement | SVGElement;
  };
  return (
    <section
      class="sabot-job"
      aria-label={`Job ${cut(store.graph.value.job, NAME_LETTERS)}`}
      onKeyDown={onKeyDown}
      onFocusIn={onFocusIn}
    >
      <Header store={store} />
      <Notice store={store} />
      <Sentence store={store} />
      <div class="sabot-strip">
        <ViewSwitch store={store} />
        {hands.value && <Toolbar canvas={hands.value} />}
      </div>
      <div class="sabot-body">
        <div class="sabot-main">
          <Face store={store} hands={hands} />
        </div>
        {store.selected.value && (
          <aside class="sabot-side" aria-label="Details">
            <Panel store={store} onClose={() => before.current?.focus()} />
          </aside>
        )}
      </div>
      <Guarantee store={store} />
    </section>
  );
}

function Face({ store, hands }: { store: Store; hands: Signal<Canvas | null> }) {
  const name = store.view.value;
  if (name === "table") return <TableView store={store} />;
  if (name === "physical") return <PhysicalView store={store} />;
  const view = viewOf(store.graph.value, name);
  return view ? <Graph key={name} {...{ store, view, hands }} /> : <p class="sabot-nothing">The job has no graph.</p>;
}
