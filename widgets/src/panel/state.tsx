import { bytes, count } from "../format";
import type { TaskMetrics } from "../messages";
import { type Heading, SortableTable } from "../table/sortable_table";
import type { NodeSubject } from "./subject";
import { stateInWords } from "./words";

const HEADINGS: Heading<TaskMetrics>[] = [
  { name: "task", sort: (task) => task.index },
  { name: "keys", sort: (task) => task.state_keys, cell: (task) => count(task.state_keys) },
  { name: "size", sort: (task) => task.state_bytes, cell: (task) => bytes(task.state_bytes) },
  { name: "agent", sort: (task) => task.agent },
];

/** What the tasks of a box hold in memory between batches, the largest first. */
export function State({ subject: { tasks, vertices } }: { subject: NodeSubject }) {
  if (vertices.length === 0) return <p class="sabot-faint">No task runs here.</p>;
  const holding = tasks.filter((task) => task.state_keys + task.state_bytes > 0);
  return (
    <>
      <p>{stateInWords(vertices)}</p>
      {holding.length > 0 && (
        <SortableTable
          label="state of each task"
          headings={HEADINGS}
          rows={tasks}
          id={(task) => `${task.vertex} ${task.index}`}
          order={{ column: 2, descending: true }}
        />
      )}
    </>
  );
}
