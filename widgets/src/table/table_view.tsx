import { bytes, count, rate, share } from "../format";
import type { JobMetrics, PictureNode, VertexMetrics } from "../messages";
import type { Store } from "../store";
import { LongText } from "./long_text";
import { type Heading, SortableTable } from "./sortable_table";

interface Line {
  node: PictureNode;
  vertices: VertexMetrics[];
  failed: boolean;
}

/** The job's graph as a table: a row per box of the optimized view, in topological order. */
export function TableView({ store }: { store: Store }) {
  const metrics = store.live.value?.metrics ?? null;
  const view = store.graph.value?.picture.views.find(({ name }) => name === "optimized");
  const selected = store.selected.value;
  if (!view) return <p class="sabot-faint">No graph yet.</p>;
  const open = (node: PictureNode) => {
    store.selected.value = { kind: "node", id: node.id };
  };
  return (
    <div class="sabot-table-view">
      <SortableTable
        label={`operators of ${store.graph.value?.job ?? "the job"}`}
        headings={headings(open)}
        rows={view.nodes.map((node) => lineOf(node, metrics))}
        id={({ node }) => node.id}
        current={selected?.kind === "node" ? selected.id : undefined}
        rowClass={({ failed }) => (failed ? "sabot-failed" : "")}
      />
    </div>
  );
}

function lineOf(node: PictureNode, metrics: JobMetrics | null): Line {
  const vertices = metrics?.vertices.filter(({ id }) => node.vertices.includes(id)) ?? [];
  const failed = vertices.some(({ states }) => states["FAILED"]) || node.vertices.includes(metrics?.error?.vertex || "-");
  return { node, vertices, failed };
}

function headings(open: (node: PictureNode) => void): Heading<Line>[] {
  // a source has no input
  const taken = ({ vertices: [first] }: Line) => (first?.role === "source" ? undefined : first?.into);
  const last = (line: Line) => line.vertices[line.vertices.length - 1];
  const total = (line: Line, of: (one: VertexMetrics) => number) => line.vertices.reduce((sum, one) => sum + of(one), 0);
  const largest = (line: Line, of: (one: VertexMetrics) => number) => Math.max(0, ...line.vertices.map(of));
  return [
    {
      name: "operator",
      sort: ({ node }) => node.title,
      cell: ({ node }) => (
        <button type="button" class="sabot-link" onClick={() => open(node)} title={node.title}>
          <span class="sabot-cut">{node.title}</span>
        </button>
      ),
    },
    { name: "what it does", sort: ({ node }) => node.text, cell: ({ node }) => <LongText text={node.text} most={60} /> },
    { name: "tasks", sort: ({ node }) => node.tasks },
    { name: "state", sort: (line) => states(line) },
    { name: "rows in", sort: (line) => taken(line)?.rows ?? 0, cell: (line) => count(taken(line)?.rows) },
    { name: "in/s", sort: (line) => taken(line)?.rows_rate ?? 0, cell: (line) => rate(taken(line)?.rows_rate) },
    { name: "rows out", sort: (line) => last(line)?.out.rows ?? 0, cell: (line) => count(last(line)?.out.rows) },
    { name: "out/s", sort: (line) => last(line)?.out.rows_rate ?? 0, cell: (line) => rate(last(line)?.out.rows_rate) },
    {
      name: "busy",
      hint: "of the last seconds, by the busiest task",
      sort: (line) => largest(line, ({ busiest }) => busiest),
      cell: (line) => share(largest(line, ({ busiest }) => busiest)),
    },
    {
      name: "blocked",
      hint: "backpressured: waiting for room downstream, mean share of the last seconds",
      sort: (line) => largest(line, ({ load }) => load.backpressured),
      cell: (line) => share(largest(line, ({ load }) => load.backpressured)),
    },
    {
      name: "queue",
      hint: "how full its fullest input channel is",
      sort: (line) => largest(line, ({ fill }) => fill),
      cell: (line) => share(largest(line, ({ fill }) => fill)),
    },
    {
      name: "state size",
      sort: (line) => total(line, ({ state_bytes }) => state_bytes),
      cell: (line) => bytes(total(line, ({ state_bytes }) => state_bytes)),
    },
  ];
}

/** Returns `4 RUNNING`, `3 RUNNING, 1 FAILED`, or a text if there are no tasks. */
function states({ node, vertices }: Line): string {
  if (node.vertices.length === 0) return node.note || "runs no task";
  const sum = new Map<string, number>();
  for (const vertex of vertices)
    for (const [state, tasks] of Object.entries(vertex.states)) sum.set(state, (sum.get(state) ?? 0) + tasks);
  return [...sum].map(([state, tasks]) => `${tasks} ${state}`).join(", ") || "not started";
}
