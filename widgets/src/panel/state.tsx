import { useTasks } from "../requests";
import { bytes, count } from "../format";
import type { TaskMetrics, VertexMetrics } from "../messages";
import type { Store } from "../store";
import { type Heading, SortableTable } from "../table/sortable_table";
import { LeftOut } from "./left_out";
import type { NodeSubject } from "./subject";
import { stateInWords } from "./words";

const HEADINGS: Heading<TaskMetrics>[] = [
  { name: "task", sort: (task) => task.index },
  { name: "keys", sort: (task) => task.state_keys, cell: (task) => count(task.state_keys) },
  { name: "size", sort: (task) => task.state_bytes, cell: (task) => bytes(task.state_bytes) },
  { name: "agent", sort: (task) => task.agent },
];

/** The state of the tasks of a box, the largest first. */
export function State({ store, subject: { vertices } }: { store: Store; subject: NodeSubject }) {
  if (vertices.length === 0) return <p class="sabot-faint">No task runs here.</p>;
  const holding = vertices.some(({ state_keys, state_bytes }) => state_keys + state_bytes > 0);
  return (
    <>
      <p>{stateInWords(vertices)}</p>
      {holding && <ByTask store={store} vertices={vertices} />}
    </>
  );
}

function ByTask({ store, vertices }: { store: Store; vertices: readonly VertexMetrics[] }) {
  const { tasks, text } = useTasks(store, vertices.map(({ id }) => id));
  if (!tasks) return <p class="sabot-faint">{text}</p>;
  return (
    <>
      <SortableTable
        label="state of each task"
        headings={HEADINGS}
        rows={tasks}
        id={(task) => `${task.vertex} ${task.index}`}
        order={{ column: 2, descending: true }}
      />
      <LeftOut shown={tasks.length} vertices={vertices} />
    </>
  );
}
