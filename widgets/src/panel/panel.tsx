/** The side panel of the selected box or edge. */
import { useEffect } from "preact/hooks";

import type { Store, Tab } from "../store";
import { Code } from "./code";
import { EdgeOverview } from "./edge_overview";
import { Errors } from "./errors";
import { Overview } from "./overview";
import { Rejected } from "./rejected";
import { Sample } from "./sample";
import { State } from "./state";
import { type Subject, subjectOf } from "./subject";
import { type TabItem, Tabs } from "./tabs";
import { Tasks } from "./tasks";

const NODE_TABS: TabItem<Tab>[] = [
  { name: "overview", title: "Overview" },
  { name: "tasks", title: "Tasks" },
  { name: "state", title: "State" },
  { name: "sample", title: "Sample" },
  { name: "rejected", title: "Rejected" },
  { name: "code", title: "Code" },
  { name: "errors", title: "Errors" },
];
const EDGE_TABS = NODE_TABS.filter(({ name }) => ["overview", "sample", "code"].includes(name));

interface Props {
  store: Store;
  /** Called when the panel is closed: the caller restores the focus. */
  onClose?: () => void;
}

export function Panel({ store, onClose }: Props) {
  const close = () => {
    store.selected.value = null;
    onClose?.();
  };
  const subject = subjectOf(store);
  const failed = subject?.kind === "node" && subject.failure !== null;
  useErrorsFirst(store, subject?.id, failed);
  if (!store.selected.value) return null;
  if (!subject) return <Unknown close={close} />;
  const items = subject.kind === "edge" ? EDGE_TABS : failed ? errorsFirst(NODE_TABS) : NODE_TABS;
  const chosen = items.some(({ name }) => name === store.tab.value) ? store.tab.value : items[0]!.name;
  return (
    <section class="sabot-panel" aria-label={`${subject.kind} ${subject.title}`}>
      <Head close={close} title={subject.title} />
      <Tabs
        label={`about ${subject.title}`}
        items={items}
        chosen={chosen}
        choose={(name) => {
          store.tab.value = name;
        }}
      >
        <Content key={subject.id} store={store} subject={subject} tab={chosen} />
      </Tabs>
    </section>
  );
}

function Head({ close, title }: { close: () => void; title: string }) {
  return (
    <div class="sabot-panel-head">
      <h3 title={title}>{title}</h3>
      <button type="button" class="sabot-close" aria-label="close the panel" onClick={close}>
        ×
      </button>
    </div>
  );
}

/** An edge has metrics only while there are any, and a page may be older than its selection. */
function Unknown({ close }: { close: () => void }) {
  return (
    <section class="sabot-panel" aria-label="no data">
      <Head close={close} title="" />
      <p class="sabot-faint">No data yet.</p>
    </section>
  );
}

function Content({ store, subject, tab }: { store: Store; subject: Subject; tab: Tab }) {
  if (tab === "sample") return <Sample store={store} subject={subject} />;
  if (tab === "code") return <Code cards={subject.cards} note={subject.kind === "node" ? subject.note : ""} />;
  if (subject.kind === "edge") return <EdgeOverview store={store} edge={subject.edge} />;
  if (tab === "tasks") return <Tasks store={store} subject={subject} />;
  if (tab === "state") return <State store={store} subject={subject} />;
  if (tab === "rejected") return <Rejected store={store} subject={subject} />;
  if (tab === "errors") return <Errors store={store} subject={subject} />;
  return <Overview store={store} subject={subject} />;
}

/** Opens the errors when the selected box has failed or fails; leaves them on the next box. */
function useErrorsFirst(store: Store, id: string | undefined, failed: boolean) {
  useEffect(() => {
    if (failed) store.tab.value = "errors";
    else if (id !== undefined && store.tab.value === "errors") store.tab.value = "overview";
  }, [id, failed]);
}

function errorsFirst(items: readonly TabItem<Tab>[]): TabItem<Tab>[] {
  const [others, errors] = [items.filter(({ name }) => name !== "errors"), items.filter(({ name }) => name === "errors")];
  return [...errors.map((item) => ({ ...item, mark: "failed" })), ...others];
}
