// Written by `python -m sabotnb.widgets.typescript` from sabotnb/widgets/messages.py: change it there.

export interface Graph {
  job: string;
  run: number;
  bounded: boolean;
  note: string;
  picture: JobPicture;
}

export interface Live {
  seq: number;
  metrics: JobMetrics | null;
  gone: string;
  trouble: string;
}

export interface Hello {
  type: "hello";
}

export interface Command {
  type: "command";
  id: string;
  kind: "pause" | "resume" | "stop" | "cancel" | "probe" | "tasks" | "samples";
  run: number;
  args: Record<string, unknown>;
}

export interface Answer {
  type: "answer";
  id: string;
  ok: boolean;
  text: string;
  sample: SampleMessage | null;
  tasks: TaskMetrics[] | null;
  rejected: RejectedMessage[] | null;
}

export interface TableMessage {
  seq: number;
  title: string;
  columns: ColumnMessage[];
  rows: ((string | null)[])[];
  total: number;
  ended: boolean;
  note: string;
}

export interface JobPicture {
  views: View[];
  operators: OperatorCard[];
  guarantee: string;
  guarantee_details: string;
}

export interface JobMetrics {
  job: string;
  run: number;
  version: number;
  at: number;
  state: string;
  paused: boolean;
  bounded: boolean;
  submitted: number;
  started: number | null;
  ended: number | null;
  rows_in: Throughput;
  rows_out: Throughput;
  late: number;
  progress: number | null;
  lag: number | null;
  waits: string;
  error: JobFailure | null;
  tasks: TaskMetrics[];
  vertices: VertexMetrics[];
  edges: EdgeMetrics[];
  finding: Finding | null;
  waits_for: string;
  commits: boolean;
  stopping: boolean;
  open_windows: number;
  waiting_rows: number;
  ahead: number;
  restarts: number;
  goes_on_from: string;
  lost: string;
  checkpointed: number | null;
  checkpoint_failure: string;
}

export interface SampleMessage {
  operator: string;
  columns: ColumnMessage[];
  rows: ((string | null)[])[];
  seen: number;
  seconds: number;
  keys: string[];
  hot: HotKey[];
  watermark: number | null;
  note: string;
}

export interface TaskMetrics {
  vertex: string;
  index: number;
  attempt: number;
  agent: string;
  slot: number;
  state: string;
  into: Throughput;
  out: Throughput;
  load: Load;
  late: number;
  queued: number;
  fill: number;
  queue_seconds: number | null;
  state_keys: number;
  state_bytes: number;
  watermark: number | null;
  latency: Latency | null;
  reported: number | null;
  final: boolean;
  holder: WatermarkHolder | null;
  ahead: number;
  failures: number;
  spilled_bytes: number;
  cut_pause: number;
}

export interface RejectedMessage {
  operator: string;
  kind: string;
  columns: ColumnMessage[];
  rows: ((string | null)[])[];
}

export interface ColumnMessage {
  name: string;
  type: string;
  numeric: boolean;
}

export interface View {
  name: string;
  nodes: PictureNode[];
  lines: Line[];
  width: number;
  height: number;
}

export interface OperatorCard {
  id: string;
  kind: string;
  text: string;
  vertex: string;
  origin: string;
  code: string;
  columns: ([string, string])[];
  notes: string[];
  filtered: string;
  rows: number | null;
}

export interface Throughput {
  rows: number;
  batches: number;
  bytes: number;
  rows_rate: number;
  batches_rate: number;
  bytes_rate: number;
}

export interface JobFailure {
  kind: string;
  message: string;
  operator: string;
  vertex: string;
  traceback: string;
  sample: string;
  everything: string;
}

export interface VertexMetrics {
  id: string;
  role: string;
  kinds: string[];
  functions: string[];
  operators: OperatorMetrics[];
  tasks: number;
  states: Record<string, number>;
  into: Throughput;
  out: Throughput;
  load: Load;
  busiest: number;
  busiest_task: number;
  skew: number | null;
  skew_task: number;
  late: number;
  queued: number;
  fill: number;
  queue_seconds: number | null;
  state_keys: number;
  state_bytes: number;
  watermark: number | null;
  latency: Latency | null;
  idle_since: number | null;
  history: number[];
  dots: TaskDot[];
  spilled_bytes: number;
  cut_pause: number;
}

export interface EdgeMetrics {
  index: number;
  id: string;
  up: string;
  down: string;
  port: number;
  type: string;
  keys: string[];
  channels: number;
  sent: Throughput;
  queued: number;
  fill: number;
  queue_seconds: number | null;
  shares: Share[];
  watermark: number | null;
}

export interface Finding {
  kind: string;
  operator: string;
  sentence: string;
  advice: string;
}

export interface HotKey {
  key: string;
  share: number;
}

export interface Load {
  busy: number;
  idle: number;
  backpressured: number;
}

export interface Latency {
  p50: number;
  p99: number;
}

export interface WatermarkHolder {
  port: number;
  channel: number;
  split: string;
  us: number | null;
  quiet: number;
}

export interface PictureNode {
  x: number;
  y: number;
  width: number;
  height: number;
  id: string;
  title: string;
  kind: string;
  role: string;
  text: string;
  tasks: number;
  vertices: string[];
  operators: string[];
  note: string;
}

export interface Line {
  path: string;
  tip: [number, number];
  label: string;
  label_at: [number, number];
  up: string;
  down: string;
  type: string;
  edges: number[];
}

export interface OperatorMetrics {
  id: string;
  rows: number;
  rows_rate: number;
  busy: number;
  watermark: number | null;
  awaited: number | null;
  late: number;
  late_share: number;
  part_of: string;
}

export interface TaskDot {
  index: number;
  state: string;
  busy: number;
}

export interface Share {
  task: number;
  part: number;
}
