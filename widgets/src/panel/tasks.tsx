import { useTasks } from "../requests";
import { ago, bytes, rate, share } from "../format";
import type { TaskMetrics, VertexMetrics } from "../messages";
import type { Store } from "../store";
import { type Heading, SortableTable } from "../table/sortable_table";
import { LeftOut } from "./left_out";
import type { NodeSubject } from "./subject";
import { largest } from "./words";

/** Its shares cover its whole runtime, however short. */
const over = (task: TaskMetrics): boolean => task.state === "FINISHED" || task.state === "CANCELED";

const BUSY: Heading<TaskMetrics> = {
  name: "busy",
  hint: "share of the last seconds",
  sort: (task) => (over(task) ? -1 : task.load.busy),
  cell: (task) => (over(task) ? "–" : share(task.load.busy)),
};
/** What tells whether a task is well: first, where a narrow panel shows it. */
const HEALTH: Heading<TaskMetrics>[] = [
  { name: "task", sort: (task) => task.index },
  { name: "state", sort: (task) => task.state },
  { name: "failures", hint: "of all attempts of the task", sort: (task) => task.failures },
];
const LOAD: Heading<TaskMetrics>[] = [
  BUSY,
  {
    name: "blocked",
    hint: "backpressured: waiting for room downstream",
    sort: (task) => (over(task) ? -1 : task.load.backpressured),
    cell: (task) => (over(task) ? "–" : share(task.load.backpressured)),
  },
  { name: "in/s", sort: (task) => task.into.rows_rate, cell: (task) => rate(task.into.rows_rate) },
  { name: "out/s", sort: (task) => task.out.rows_rate, cell: (task) => rate(task.out.rows_rate) },
  { name: "rows in", sort: (task) => task.into.rows, cell: (task) => task.into.rows.toLocaleString("en") },
  { name: "queue", hint: "bytes waiting to be read", sort: (task) => task.queued, cell: (task) => bytes(task.queued) },
  { name: "agent/slot", sort: (task) => (task.agent ? `${task.agent}/${task.slot}` : "–") },
];

/** When each task last reported, before the time `at` of the metrics. */
const reported = (at: number): Heading<TaskMetrics> => ({
  name: "reported",
  hint: "when its last report came",
  sort: (task) => task.reported ?? 0,
  cell: (task) => (task.reported === null || over(task) ? "–" : ago(Math.max(0, at - task.reported))),
});

/** All tasks of a box, the busiest first, and sentences on the remarkable ones. */
export function Tasks({ store, subject: { vertices } }: { store: Store; subject: NodeSubject }) {
  const { tasks, text } = useTasks(store, vertices.map(({ id }) => id));
  if (!tasks?.length) return <p class="sabot-faint">{tasks ? "No task runs here." : text}</p>;
  const many = vertices.length > 1;
  const headings = [...HEALTH, reported(store.live.value?.metrics?.at ?? 0), ...LOAD];
  if (many) headings.unshift({ name: "of", sort: (task) => task.vertex });
  return (
    <>
      <ul class="sabot-worst">
        {worst(tasks, vertices).map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      <SortableTable
        label="tasks"
        headings={headings}
        rows={tasks}
        id={(task) => `${task.vertex} ${task.index}`}
        order={{ column: headings.indexOf(BUSY), descending: true }}
        rowClass={(task) => (task.state === "FAILED" ? "sabot-failed" : "")}
      />
      <LeftOut shown={tasks.length} vertices={vertices} />
    </>
  );
}

/** Returns sentences on the tasks that failed, are busiest, wait most or have most rows; none where tasks are even. */
export function worst(tasks: readonly TaskMetrics[], vertices: readonly VertexMetrics[]): string[] {
  const name = (task: TaskMetrics) => (vertices.length > 1 ? `task ${task.index} of ${task.vertex}` : `task ${task.index}`);
  const failed = tasks.filter((task) => task.state === "FAILED").map((task) => `${name(task)} FAILED on ${task.agent}`);
  // shares of a finished task cover its whole runtime, however short
  const running = tasks.filter((task) => task.state === "RUNNING");
  const measured = running.length ? running : tasks;
  const busiest = largest(measured, (task) => task.load.busy);
  const waiting = largest(measured, (task) => task.load.backpressured);
  const lines = [
    busiest && busiest.load.busy > 0 && `busiest: ${name(busiest)}, ${share(busiest.load.busy)} busy`,
    waiting && waiting.load.backpressured > 0.1 && `most blocked: ${name(waiting)}, ${share(waiting.load.backpressured)} of the time`,
    ...vertices.map(({ id, skew, skew_task }) => {
      const most = tasks.find((task) => task.vertex === id && task.index === skew_task);
      return most && skew !== null && skew >= 1.2 && `most rows: ${name(most)}, ${skew.toFixed(1)} times the mean`;
    }),
  ];
  return [...failed, ...lines.filter((line) => typeof line === "string")];
}
