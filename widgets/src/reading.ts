/**
 * Completes values of the model: a saved page may have been written by an older version, and a missing field must not
 * break it. A reader returns its type for any input; unknown fields are kept.
 */
import type {
  EdgeMetrics,
  Finding,
  Throughput,
  Graph,
  JobFailure,
  JobMetrics,
  JobPicture,
  Latency,
  Line,
  Live,
  Load,
  PictureNode,
  OperatorCard,
  OperatorMetrics,
  Share,
  TaskDot,
  VertexMetrics,
  View,
} from "./messages";

type Reader<T> = (value: unknown) => T;
type Fields = Record<string, unknown>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const text: Reader<string> = (value) => (typeof value === "string" ? value : "");
const number: Reader<number> = (value) => (typeof value === "number" && Number.isFinite(value) ? value : 0);
const flag: Reader<boolean> = (value) => value === true;

function many<T>(one: Reader<T>): Reader<T[]> {
  return (value) => (Array.isArray(value) ? value.map(one) : []);
}

function maybe<T>(one: Reader<T>): Reader<T | null> {
  return (value) => (value === null || value === undefined ? null : one(value));
}

function shape<T>(fields: { [Name in keyof T]-?: Reader<T[Name]> }): Reader<T> {
  const readers = Object.entries(fields) as [string, Reader<unknown>][];
  return (value) => {
    const read: Fields = isFields(value) ? { ...value } : {};
    for (const [name, reader] of readers) read[name] = reader(read[name]);
    return read as T;
  };
}

const texts = many(text);
const numbers = many(number);
const pair = (value: unknown): [number, number] => [number(numbers(value)[0]), number(numbers(value)[1])];
const names = (value: unknown): [string, string] => [text(texts(value)[0]), text(texts(value)[1])];
const tally = (value: unknown): Record<string, number> =>
  Object.fromEntries(Object.entries(isFields(value) ? value : {}).map(([name, one]) => [name, number(one)]));

const flow = shape<Throughput>({
  rows: number,
  batches: number,
  bytes: number,
  rows_rate: number,
  batches_rate: number,
  bytes_rate: number,
});
const load = shape<Load>({ busy: number, idle: number, backpressured: number });
const latency = maybe(shape<Latency>({ p50: number, p99: number }));

const vertex = shape<VertexMetrics>({
  id: text,
  role: text,
  kinds: texts,
  functions: texts,
  operators: many(
    shape<OperatorMetrics>({
      id: text,
      rows: number,
      rows_rate: number,
      busy: number,
      watermark: maybe(number),
      awaited: maybe(number),
      late: number,
      late_share: number,
      part_of: text,
    }),
  ),
  tasks: number,
  states: tally,
  into: flow,
  out: flow,
  load,
  busiest: number,
  busiest_task: number,
  skew: maybe(number),
  skew_task: number,
  late: number,
  queued: number,
  fill: number,
  queue_seconds: maybe(number),
  state_keys: number,
  state_bytes: number,
  watermark: maybe(number),
  latency,
  idle_since: maybe(number),
  history: numbers,
  spilled_bytes: number,
  cut_pause: number,
  dots: many(shape<TaskDot>({ index: number, state: text, busy: number })),
});
const edge = shape<EdgeMetrics>({
  index: number,
  id: text,
  up: text,
  down: text,
  port: number,
  type: text,
  keys: texts,
  channels: number,
  sent: flow,
  queued: number,
  fill: number,
  queue_seconds: maybe(number),
  shares: many(shape<Share>({ task: number, part: number })),
  watermark: maybe(number),
});
const failure = shape<JobFailure>({
  kind: text,
  message: text,
  operator: text,
  vertex: text,
  traceback: text,
  sample: text,
  everything: text,
});
const metrics = shape<JobMetrics>({
  job: text,
  run: number,
  version: number,
  at: number,
  state: text,
  paused: flag,
  bounded: flag,
  submitted: number,
  started: maybe(number),
  ended: maybe(number),
  rows_in: flow,
  rows_out: flow,
  late: number,
  progress: maybe(number),
  lag: maybe(number),
  waits: text,
  error: maybe(failure),
  tasks: () => [],
  vertices: many(vertex),
  edges: many(edge),
  finding: maybe(shape<Finding>({ kind: text, operator: text, sentence: text, advice: text })),
  waits_for: text,
  commits: flag,
  stopping: flag,
  open_windows: number,
  waiting_rows: number,
  ahead: number,
  restarts: number,
  lost: text,
  goes_on_from: text,
  checkpointed: maybe(number),
  checkpoint_failure: text,
});

const node = shape<PictureNode>({
  id: text,
  title: text,
  kind: text,
  role: text,
  text,
  tasks: number,
  vertices: texts,
  operators: texts,
  note: text,
  x: number,
  y: number,
  width: number,
  height: number,
});
const line = shape<Line>({
  up: text,
  down: text,
  type: text,
  label: text,
  edges: numbers,
  path: text,
  tip: pair,
  label_at: pair,
});
const view = shape<View>({ name: text, nodes: many(node), lines: many(line), width: number, height: number });
const card = shape<OperatorCard>({
  id: text,
  kind: text,
  text,
  vertex: text,
  origin: text,
  code: text,
  columns: many(names),
  notes: texts,
  filtered: text,
  rows: maybe(number),
});
const picture = shape<JobPicture>({ views: many(view), operators: many(card), guarantee: text, guarantee_details: text });

const graph = shape<Graph>({ job: text, run: number, bounded: flag, note: text, picture });
const live = shape<Live>({ seq: number, metrics: maybe(metrics), gone: text, trouble: text });

/** Reads the trait `graph`; null if there is none. */
export const graphOf = (value: unknown): Graph | null => (isFields(value) && value.picture ? graph(value) : null);

/** Reads the trait `live`; null if there is none. */
export const liveOf = (value: unknown): Live | null => (isFields(value) && "metrics" in value ? live(value) : null);
