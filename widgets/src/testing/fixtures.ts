/** Typical jobs for tests. */
import { type EdgeSketch, type JobSketch, type MadeJob, NOW, type VertexSketch, made } from "./jobs";

const FLIGHTS: VertexSketch[] = [
  {
    chain: ["flights"],
    role: "source",
    text: "parquet flights/*.parquet",
    loads: repeat([0.35, 0.04], 4),
    into: 0,
    out: 41_234,
  },
  {
    chain: ["filter_0", "select_0"],
    role: "operator",
    text: "dep_delay > 15",
    loads: repeat([0.12, 0.02], 4),
    into: 41_234,
    out: 9_120,
  },
  { chain: ["airlines"], role: "source", text: "csv airlines.csv", loads: [[0, 0]], into: 0, out: 16 },
  {
    chain: ["join_0", "by_carrier"],
    role: "operator",
    text: "mean(dep_delay), count()",
    loads: [
      [0.55, 0],
      [0.48, 0],
      [0.62, 0],
      [0.51, 0],
    ],
    into: 9_136,
    out: 310,
  },
  { chain: ["collect_0"], role: "sink", text: "collect", loads: [[0.02, 0]], into: 310, out: 310 },
];
const FLIGHT_EDGES: EdgeSketch[] = [
  { up: 0, down: 1 },
  { up: 1, down: 3, label: "hash(carrier)", fill: 0.12 },
  { up: 2, down: 3, label: "broadcast" },
  { up: 3, down: 4, label: "gather" },
];
const EVEN = {
  kind: "even",
  operator: "",
  sentence: "No bottleneck: the busiest operator, by_carrier, is busy 55 % of the time.",
  advice: "",
};

/** Five vertices without a problem. */
export function running(): MadeJob {
  return made({ name: "late", vertices: FLIGHTS, edges: FLIGHT_EDGES, metrics: { finding: EVEN } });
}

export function paused(): MadeJob {
  const finding = {
    kind: "paused",
    operator: "",
    sentence: "The job is paused: its sources are not reading.",
    advice: "resume it",
  };
  return made({ name: "late", vertices: FLIGHTS.map(still), edges: FLIGHT_EDGES, metrics: { finding, paused: true } });
}

/** One operator is too slow, and all operators above it wait. */
export function backpressured(): MadeJob {
  const loads: VertexSketch["loads"][] = [
    repeat([0.03, 0.95], 4),
    repeat([0.05, 0.93], 4),
    [[0, 0]],
    [
      [0.98, 0],
      [0.31, 0],
      [0.28, 0],
      [0.35, 0],
    ],
    [[0, 0]],
  ];
  const vertices = FLIGHTS.map((one, place) => ({ ...one, loads: loads[place] ?? one.loads }));
  const slow = vertices[3] as VertexSketch;
  vertices[3] = { ...slow, more: { skew: 2.6, state_keys: 16_400, state_bytes: 7_300_000, fill: 0.91 } };
  const edges = FLIGHT_EDGES.map((one) => (one.down === 3 && one.up === 1 ? { ...one, fill: 0.91 } : one));
  const finding = {
    kind: "skew",
    operator: "by_carrier",
    sentence: "by_carrier is the bottleneck: task 0 of 4 gets 61 % of the rows; one carrier key is hot, or there are too few distinct keys.",
    advice: "job.probe('by_carrier') shows the most frequent keys",
  };
  return made({ name: "late", vertices, edges, metrics: { finding, bounded: false, progress: null, lag: 1.4 } });
}

export function failed(): MadeJob {
  const job = made({ name: "late", vertices: FLIGHTS, edges: FLIGHT_EDGES, state: "FAILED" });
  const metrics = job.live.metrics;
  if (!metrics) return job;
  metrics.progress = 0.43;
  metrics.error = {
    kind: "ZeroDivisionError",
    message: "division by zero",
    operator: "filter_0",
    vertex: "filter_0",
    traceback: "  cell [3], line 2, in speed\n    return distance / air_time\nZeroDivisionError: division by zero",
    sample: "distance,air_time\n1400,0\n",
    everything: "Traceback (most recent call last):\n  ...\nZeroDivisionError: division by zero",
  };
  metrics.finding = {
    kind: "failed",
    operator: "filter_0",
    sentence: "filter_0 failed: ZeroDivisionError: division by zero (cell [3], line 2).",
    advice: "",
  };
  for (const vertex of metrics.vertices) {
    vertex.states = vertex.id === "filter_0" ? { FAILED: 1, CANCELED: 3 } : { CANCELED: vertex.tasks };
    for (const dot of vertex.dots) dot.state = vertex.id === "filter_0" && dot.index === 2 ? "FAILED" : "CANCELED";
  }
  for (const task of job.tasks) task.state = task.vertex === "filter_0" && task.index === 2 ? "FAILED" : "CANCELED";
  return job;
}

export function finished(): MadeJob {
  const finding = {
    kind: "ended",
    operator: "",
    sentence: "The job has FINISHED after 12 min 31 s: 30,966,734 rows in, 232,810 out.",
    advice: "",
  };
  return made({ name: "late", vertices: FLIGHTS, edges: FLIGHT_EDGES, state: "FINISHED", metrics: { finding } });
}

/** A job that waits for slots: no task runs, all counts are 0. */
export function pending(): MadeJob {
  const job = made({
    name: "late",
    vertices: FLIGHTS.map(still).map((one) => ({ ...one, into: 0, out: 0 })),
    edges: FLIGHT_EDGES,
    state: "PENDING",
    metrics: { waits: "needs 4 slots, 2 free", waits_for: "slots", started: null, progress: 0, submitted: NOW - 4 },
  });
  for (const vertex of job.live.metrics?.vertices ?? [])
    Object.assign(vertex, {
      states: {},
      history: [],
      load: { busy: 0, idle: 0, backpressured: 0 },
    });
  for (const task of job.tasks)
    Object.assign(task, { state: "CREATED", agent: "", slot: -1, load: { busy: 0, idle: 0, backpressured: 0 } });
  return job;
}

/** A job with any number of vertices, in layers of three, with loads and queues of every kind. */
export function large(vertices: number, tasks = 8): MadeJob {
  const sketch: JobSketch = { name: "everything", vertices: [], edges: [] };
  for (let place = 0; place < vertices; place += 1) {
    const role = place < 3 ? "source" : place >= vertices - 2 ? "sink" : "operator";
    const busy = (place * 37) % 90;
    const loads = repeat([busy / 100, (place % 4 === 0 ? 100 - busy : 0) / 120], tasks);
    const names = role === "source" ? "orders_" : role === "sink" ? "parquet_" : place % 3 ? "map_" : "aggregate_";
    sketch.vertices.push({
      chain: [`${names}${place}`],
      role,
      text: place % 3 ? "price * quantity" : "sum(price), count()",
      loads,
      into: role === "source" ? 0 : 90_000 / (place + 1),
      out: 80_000 / (place + 1),
    });
    if (place >= 3)
      sketch.edges.push({
        up: place - 3,
        down: place,
        ...(place % 3 ? {} : { label: "hash(customer, day)" }),
        fill: (place % 5) / 5,
      });
    if (place >= 3 && place % 4 === 1)
      sketch.edges.push({ up: place - 2 - (place % 3), down: place, label: "rebalance" });
  }
  return made(sketch);
}

/** A job with very long names, all with markup. */
export function hostile(): MadeJob {
  const long = `<img src=x onerror="alert(1)"><script>alert(2)</script>${"x".repeat(10_000)}`;
  const job = made({
    name: long,
    edges: FLIGHT_EDGES.map((one) => ({ ...one, label: one.label ? long : "" })),
    vertices: FLIGHTS.map((one, place) => ({
      ...one,
      chain: one.chain.map((name) => `${place}${name}${long}`),
      text: long,
    })),
    metrics: { finding: { kind: "busy", operator: `1filter_0${long}`, sentence: long, advice: long }, waits: long },
  });
  for (const view of job.graph.picture.views)
    for (const node of view.nodes) Object.assign(node, { title: long, text: long });
  return job;
}

function repeat(load: [number, number], times: number): [number, number][] {
  return Array.from({ length: times }, (_, task): [number, number] => [load[0] * (1 - (task % 5) * 0.03), load[1]]);
}

function still(one: VertexSketch): VertexSketch {
  return { ...one, loads: one.loads.map((): [number, number] => [0, 0]), into: one.into && 1e-9, out: one.out && 1e-9 };
}
