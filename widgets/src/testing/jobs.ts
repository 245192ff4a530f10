/** Builds jobs for tests and for dev/ from short sketches, complete as the kernel sends them. */
import { MOST_DOTS } from "../graph/figures";
import type {
  EdgeMetrics,
  Throughput,
  Graph,
  JobMetrics,
  Line,
  Live,
  PictureNode,
  OperatorCard,
  TaskMetrics,
  VertexMetrics,
} from "../messages";

/** A vertex with one operator for each name of `chain`; `loads` are a task's busy and backpressured shares. */
export interface VertexSketch {
  chain: string[];
  role: "source" | "operator" | "sink";
  text: string;
  loads: [number, number][];
  into: number;
  out: number;
  more?: Partial<VertexMetrics>;
}

/** An edge between the vertices with these indexes; `label` is that of the picture. */
export interface EdgeSketch {
  up: number;
  down: number;
  label?: string;
  fill?: number;
}

export interface JobSketch {
  name: string;
  vertices: VertexSketch[];
  edges: EdgeSketch[];
  state?: string;
  metrics?: Partial<JobMetrics>;
}

export interface MadeJob {
  graph: Graph;
  live: Live;
  /** The kernel's answer to a request for tasks. */
  tasks: TaskMetrics[];
}

/** The time of the metrics of all sketched jobs, in seconds since the epoch. */
/** Metrics of an operator without event time. */
export const UNTIMED = { watermark: null, awaited: null, late: 0, late_share: 0, part_of: "" };
export const NOW = 1_795_000_000;
const RUN_SECONDS = 751;
const WIDTH = 180;
const HEIGHT = 84;

export function made(sketch: JobSketch): MadeJob {
  const state = sketch.state ?? "RUNNING";
  const over = ["FINISHED", "FAILED", "CANCELED"].includes(state);
  const picture = {
    views: ["logical", "optimized"].map((name) => viewOf(name, sketch)),
    operators: sketch.vertices.flatMap(cards),
    guarantee: "files: exactly once, all of them at the end · checkpoints every 60 s",
    guarantee_details: "files: exactly once, all of them at the end; a lost worker: the job goes on from the last checkpoint",
  };
  const sources = sketch.vertices.filter((one) => one.role === "source");
  const sinks = sketch.vertices.filter((one) => one.role === "sink");
  const metrics: JobMetrics = {
    job: sketch.name,
    run: 3,
    version: 1,
    at: NOW,
    state,
    paused: false,
    bounded: true,
    submitted: NOW - RUN_SECONDS,
    started: NOW - RUN_SECONDS,
    ended: over ? NOW : null,
    rows_in: flow(sum(sources.map((one) => one.out)), over),
    rows_out: flow(sum(sinks.map((one) => one.into)), over),
    late: 0,
    progress: over ? 1 : 0.43,
    lag: null,
    waits: "",
    error: null,
    tasks: [],
    vertices: sketch.vertices.map((one) => vertexOf(one, over)),
    edges: sketch.edges.map((one, index) => edgeOf(one, index, sketch.vertices, over)),
    finding: null,
    waits_for: "",
    commits: true,
    stopping: false,
    open_windows: 0,
    waiting_rows: 0,
    ahead: 0,
    restarts: 0,
    lost: "",
    goes_on_from: "",
    checkpointed: null,
    checkpoint_failure: "",
    ...sketch.metrics,
  };
  return {
    graph: { job: sketch.name, run: 3, bounded: metrics.bounded, note: "", picture },
    live: { seq: 1, metrics, gone: "", trouble: "" },
    tasks: sketch.vertices.flatMap((one) => tasksOf(one, over)),
  };
}

const id = (vertex: VertexSketch): string => vertex.chain[0] ?? "";
const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);

function flow(rate: number, over: boolean): Throughput {
  const now = over ? 0 : rate;
  return {
    rows: Math.round(rate * RUN_SECONDS),
    batches: Math.round(rate / 8),
    bytes: Math.round(rate * RUN_SECONDS * 40),
    rows_rate: now,
    batches_rate: now / 8192,
    bytes_rate: now * 40,
  };
}

function vertexOf(one: VertexSketch, over: boolean): VertexMetrics {
  const busy = one.loads.map((load) => load[0]);
  const busiest = over ? 0 : Math.max(...busy);
  const rate = one.role === "source" ? one.out : one.into;
  return {
    id: id(one),
    role: one.role,
    kinds: one.chain.map((name, place) =>
      one.role === "sink" && place === one.chain.length - 1 ? "sink" : (name.split("_")[0] ?? name),
    ),
    functions: [],
    operators: one.chain.map((name) => ({
      ...UNTIMED,
      id: name,
      rows: Math.round(one.out * RUN_SECONDS),
      rows_rate: over ? 0 : one.out,
      busy: busiest / one.chain.length,
    })),
    tasks: one.loads.length,
    states: { [over ? "FINISHED" : "RUNNING"]: one.loads.length },
    into: flow(one.into, over),
    out: flow(one.out, over),
    load: over ? { busy: 0, idle: 0, backpressured: 0 } : mean(one.loads),
    busiest,
    busiest_task: Math.max(0, busy.indexOf(busiest)),
    skew: 1,
    skew_task: 0,
    late: 0,
    queued: 0,
    fill: 0,
    queue_seconds: 0,
    state_keys: 0,
    state_bytes: 0,
    watermark: null,
    latency: { p50: 0.012, p99: 0.25 },
    idle_since: null,
    spilled_bytes: 0,
    cut_pause: 0,
    history: Array.from({ length: 60 }, (_, second) => rate * (0.8 + 0.2 * Math.sin(second / 5 + one.text.length))),
    dots: one.loads.length > MOST_DOTS ? [] : dotsOf(one, over),
    ...one.more,
  };
}

function dotsOf(one: VertexSketch, over: boolean): VertexMetrics["dots"] {
  const dots = one.loads.map(([busy], index) => ({ index, state: over ? "FINISHED" : "RUNNING", busy: over ? 0 : busy }));
  return dots.sort((first, second) => second.busy - first.busy);
}

function mean(loads: [number, number][]): VertexMetrics["load"] {
  const busy = sum(loads.map((load) => load[0])) / loads.length;
  const backpressured = sum(loads.map((load) => load[1])) / loads.length;
  return { busy, backpressured, idle: 1 - busy - backpressured };
}

function tasksOf(one: VertexSketch, over: boolean): TaskMetrics[] {
  return one.loads.map((load, index) => ({
    vertex: id(one),
    index,
    attempt: 1,
    agent: `agent-${index % 4}`,
    slot: Math.floor(index / 4),
    state: over ? "FINISHED" : "RUNNING",
    into: flow(one.into / one.loads.length, over),
    out: flow(one.out / one.loads.length, over),
    load: over ? { busy: 0, idle: 0, backpressured: 0 } : mean([load]),
    late: 0,
    ahead: 0,
    queued: 0,
    fill: 0,
    queue_seconds: 0,
    state_keys: 0,
    state_bytes: 0,
    watermark: null,
    latency: null,
    reported: NOW,
    final: over,
    holder: null,
    failures: 0,
    spilled_bytes: 0,
    cut_pause: 0,
  }));
}

function edgeOf(one: EdgeSketch, index: number, vertices: VertexSketch[], over: boolean): EdgeMetrics {
  const up = vertices[one.up] as VertexSketch;
  const down = vertices[one.down] as VertexSketch;
  return {
    index,
    id: `${id(up)}->${id(down)}`,
    up: id(up),
    down: id(down),
    port: 0,
    type: typeOf(one),
    keys: keysOf(one),
    channels: up.loads.length * down.loads.length,
    sent: flow(Math.min(up.out, down.into), over),
    queued: Math.round((one.fill ?? 0) * 4e6),
    fill: one.fill ?? 0,
    queue_seconds: (one.fill ?? 0) / 5,
    shares: down.loads.map((_, task) => ({ task, part: 1 / down.loads.length })),
    watermark: null,
  };
}

const typeOf = (one: EdgeSketch): string =>
  one.label ? (one.label.startsWith("hash") ? "hash" : "rebalance") : "forward";
const keysOf = (one: EdgeSketch): string[] => /\((.*)\)/.exec(one.label ?? "")?.[1]?.split(", ") ?? [];

function cards(one: VertexSketch): OperatorCard[] {
  return one.chain.map((name) => ({
    id: name,
    kind: name.split("_")[0] ?? name,
    text: one.text,
    vertex: id(one),
    origin: "cell [3], line 2",
    code: `flights.${name}(...)`,
    columns: [
      ["carrier", "string"],
      ["delay", "double"],
    ],
    notes: [],
    filtered: "",
    rows: null,
  }));
}

/** Places boxes in layers by the longest path from a source. */
function viewOf(name: string, sketch: JobSketch): Graph["picture"]["views"][number] {
  const layers = sketch.vertices.map(() => 0);
  for (const _ of sketch.vertices) {
    for (const edge of sketch.edges) layers[edge.down] = Math.max(layers[edge.down] ?? 0, (layers[edge.up] ?? 0) + 1);
  }
  const columns = [...new Set(layers)].map(
    (layer) => sketch.vertices.filter((_, place) => layers[place] === layer).length,
  );
  const tallest = Math.max(...columns) * (HEIGHT + 26);
  const nodes = sketch.vertices.map((one, place): PictureNode => {
    const layer = layers[place] ?? 0;
    const above = layers.slice(0, place).filter((other) => other === layer).length;
    return {
      id: id(one),
      title: one.chain.join(" · ").slice(0, 16),
      kind: one.chain.join(" · "),
      role: one.role,
      text: one.text.slice(0, 25),
      tasks: one.loads.length,
      vertices: [id(one)],
      operators: one.chain,
      note: "",
      x: 16 + layer * (WIDTH + 110),
      y: 16 + (above + 0.5) * (tallest / (columns[layer] ?? 1)) - (HEIGHT + 26) / 2,
      width: WIDTH,
      height: HEIGHT,
    };
  });
  const lines = sketch.edges.map((edge, index) => lineOf(edge, index, nodes, sketch.edges));
  return { name, nodes, lines, width: Math.max(...nodes.map((one) => one.x)) + WIDTH + 16, height: tallest + 6 };
}

function lineOf(edge: EdgeSketch, index: number, nodes: PictureNode[], edges: EdgeSketch[]): Line {
  const up = nodes[edge.up] as PictureNode;
  const down = nodes[edge.down] as PictureNode;
  const rivals = edges.filter((other) => other.down === edge.down);
  const rank = rivals.indexOf(edge) - (rivals.length - 1) / 2;
  const tip: [number, number] = [down.x, down.y + HEIGHT / 2 + rank * Math.min(30, 60 / rivals.length)];
  const [x, y, bend] = [up.x + up.width, up.y + HEIGHT / 2, up.x + up.width + 30];
  const below = rivals.length > 1 && rivals.at(-1) === edge;
  return {
    up: up.id,
    down: down.id,
    type: typeOf(edge),
    label: edge.label ?? "",
    edges: [index],
    path: `M${x} ${y}C${bend} ${y} ${bend} ${tip[1]} ${x + 61} ${tip[1]}L${tip[0] - 7} ${tip[1]}`,
    tip,
    label_at: [tip[0] - 12, tip[1] + (below ? 14 : -6)],
  };
}
