/** Texts and shares that a box and a line show of the metrics, for display and for screen readers. Pure. */
import { brief, counted, cut, manyLate, rate, seconds, share } from "../format";
import type { EdgeMetrics, Line, Load, PictureNode, VertexMetrics } from "../messages";

export type Mark = "waiting" | "running" | "finished" | "failed" | "canceled" | "removed" | "lost";

/** A task's load, for its dot; a vertex with many tasks has no dots. */
export interface Dot {
  index: number;
  mark: Mark;
  level: "high" | "some" | "low";
}

export interface NodeFigures {
  mark: Mark;
  ready: number;
  tasks: number;
  load: Load;
  loadText: string;
  /** Rates in and out, `41.2k → 310/s`, or totals when the job is over, `31.0M → 233k`. */
  flowText: string;
  outRate: number;
  history: number[];
  dots: Dot[];
  /** The share of late rows if that is a fault: `7 % late`. */
  late: string;
  /** All of it in a sentence, for screen readers. */
  label: string;
}

export interface LineFigures {
  rate: number;
  rows: number;
  fill: number;
  label: string;
}

export const MOST_DOTS = 16;
const NAME_LETTERS = 80;
const OVER: Mark[] = ["finished", "failed", "canceled"];
const WAITING = ["CREATED", "SCHEDULED", "DEPLOYING"];

export interface Known {
  vertices: ReadonlyMap<string, VertexMetrics>;
  over: boolean;
}

export function nodeFigures(node: PictureNode, known: Known): NodeFigures {
  const vertices = node.vertices.map((id) => known.vertices.get(id)).filter((one) => one !== undefined);
  const mark = node.vertices.length === 0 ? "removed" : markOf(vertices, known.over);
  const load = meanLoad(vertices);
  const ready = sum(vertices.map((one) => one.states["RUNNING"] ?? 0));
  const over = known.over || OVER.includes(mark);
  const passed = flowOf(node, vertices, over);
  const figures = {
    mark,
    ready,
    tasks: sum(vertices.map((one) => one.tasks)) || node.tasks,
    load,
    loadText: over ? "" : loadText(load),
    flowText: vertices.length && mark !== "waiting" ? flowText(passed, over) : "",
    outRate: over ? 0 : (passed.out ?? passed.into ?? 0),
    history: over ? [] : addUp(vertices.map((one) => one.history)),
    dots: dotsOf(vertices, over),
    late: lateText(node, vertices),
  };
  return { ...figures, label: nodeLabel(node, figures, vertices) };
}

export function lineFigures(line: Line, edges: ReadonlyMap<number, EdgeMetrics>, upRate: number): LineFigures {
  const some = line.edges.map((index) => edges.get(index)).filter((one) => one !== undefined);
  const passed = some.length ? sum(some.map((one) => one.sent.rows_rate)) : upRate;
  const rows = sum(some.map((one) => one.sent.rows));
  const fill = Math.max(0, ...some.map((one) => one.fill));
  const way = line.type ? line.type.toLowerCase() : "in one task";
  const parts = [`${cut(line.up, NAME_LETTERS)} to ${cut(line.down, NAME_LETTERS)}`, line.label || way, rate(passed)];
  const work = Math.max(0, ...some.map((one) => one.queue_seconds ?? 0));
  if (some.length) parts.push(counted(rows, "row"), `queue ${share(fill)} full${work ? `: ${seconds(work)} of work` : ""}`);
  return { rate: passed, rows, fill, label: parts.map((part) => cut(part, 2 * NAME_LETTERS)).join(", ") };
}

/** Returns the most important state: one failed task makes a failed box. */
export function markOf(vertices: readonly VertexMetrics[], over: boolean): Mark {
  const has = (...states: string[]) => vertices.some((one) => states.some((state) => one.states[state]));
  if (has("FAILED")) return "failed";
  if (has("RUNNING")) return over ? "lost" : "running";
  if (has("CANCELED", "CANCELING")) return "canceled";
  if (has("FINISHED") && !has(...WAITING)) return "finished";
  return over ? "canceled" : "waiting";
}

export function taskMark(state: string): Mark {
  if (WAITING.includes(state)) return "waiting";
  if (state === "CANCELING") return "canceled";
  const mark = state.toLowerCase();
  return mark === "finished" || mark === "failed" || mark === "canceled" ? mark : "running";
}

export function level(busy: number): Dot["level"] {
  return busy >= 0.75 ? "high" : busy >= 0.25 ? "some" : "low";
}

/** Returns the largest share with its name: `busy 96 %`. A task that waits for credit is blocked. */
export function loadText({ busy, idle, backpressured }: Load): string {
  if (busy + idle + backpressured < 0.01) return "";
  if (backpressured > busy && backpressured > idle) return `blocked ${share(backpressured)}`;
  return busy >= idle ? `busy ${share(busy)}` : `idle ${share(idle)}`;
}

function meanLoad(vertices: readonly VertexMetrics[]): Load {
  const [only] = vertices;
  if (vertices.length === 1 && only) return only.load;
  const tasks = sum(vertices.map((one) => one.tasks)) || 1;
  const mean = (name: keyof Load) => sum(vertices.map((one) => one.load[name] * one.tasks)) / tasks;
  return { busy: mean("busy"), idle: mean("idle"), backpressured: mean("backpressured") };
}

/** Returns rows into the first operator of the box and out of its last; null for a side that does not exist.
 *
 * The input of a chain that starts with a source is the rows that the source reads: a partial aggregate may send few.
 * The output of a chain that ends with a sink is the rows that the sink writes, without side outputs. */
function flowOf(
  node: PictureNode,
  vertices: readonly VertexMetrics[],
  over: boolean,
): { into: number | null; out: number | null } {
  const first = vertices[0];
  const last = vertices.at(-1);
  if (!first || !last) return { into: null, out: null };
  const key = over ? "rows" : "rows_rate";
  const start = first.operators.findIndex((one) => one.id === node.operators[0]);
  const end = last.operators.findIndex((one) => one.id === node.operators.at(-1));
  const read = node.operators.length > 1 ? (first.operators[0]?.[key] ?? null) : null;
  const into =
    start > 0 ? (first.operators[start - 1]?.[key] ?? null) : first.role === "source" ? read : first.into[key];
  const inner = end >= 0 && end < last.operators.length - 1;
  const sink = last.kinds.at(-1) === "sink";
  const out = inner || (sink && last.operators.length > 1) ? (last.operators[end]?.[key] ?? null) : sink ? null : last.out[key];
  return { into, out };
}

function flowText({ into, out }: { into: number | null; out: number | null }, over: boolean): string {
  const sides = [into, out]
    .filter((side) => side !== null)
    .map(brief)
    .join(" → ");
  return over ? `${sides}${into === null || out === null ? " rows" : ""}` : `${sides}/s`;
}

/** Returns the dots; empty if there are too many tasks: a vertex has none then, and a group has more than fit. */
function dotsOf(vertices: readonly VertexMetrics[], over: boolean): Dot[] {
  const dots = vertices.flatMap((one) => one.dots);
  const failed = dots.some((dot) => dot.state === "FAILED");
  const tasks = sum(vertices.map((one) => one.tasks));
  if (tasks < 2 || tasks > MOST_DOTS || (over && !failed)) return [];
  const sorted = dots.sort(
    (one, other) =>
      Number(other.state === "FAILED") - Number(one.state === "FAILED") ||
      other.busy - one.busy ||
      one.index - other.index,
  );
  return sorted.map(({ index, state, busy }) => ({ index, mark: taskMark(state), level: level(busy) }));
}

function lateText(node: PictureNode, vertices: readonly VertexMetrics[]): string {
  const shown = vertices.flatMap((one) => one.operators).filter((one) => node.operators.includes(one.id));
  const most = Math.max(0, ...shown.map((one) => one.late_share));
  return manyLate(most) ? `${share(most)} late` : "";
}

function addUp(histories: readonly number[][]): number[] {
  if (histories.length === 1) return histories[0] ?? [];
  const longest = Math.max(0, ...histories.map((one) => one.length));
  const newest = (history: readonly number[], back: number) => history[history.length - 1 - back] ?? 0;
  return Array.from({ length: longest }, (_, place) => sum(histories.map((one) => newest(one, longest - 1 - place))));
}

function nodeLabel(node: PictureNode, figures: Omit<NodeFigures, "label">, vertices: readonly VertexMetrics[]): string {
  const { load, mark } = figures;
  // the text of a chain repeats its operators, which the label names anyway
  const text = node.operators.length > 1 ? "" : cut(node.text, 2 * NAME_LETTERS);
  const parts = [cut(node.operators.join(" · ") || node.title, 2 * NAME_LETTERS), text];
  if (mark === "removed") return [...parts, cut(node.note, 2 * NAME_LETTERS)].filter(Boolean).join(", ");
  parts.push(mark, `${figures.ready} of ${counted(figures.tasks, "task")} running`, figures.flowText);
  if (figures.loadText)
    parts.push(`busy ${share(load.busy)}, idle ${share(load.idle)}, backpressured ${share(load.backpressured)}`);
  const skew = Math.max(1, ...vertices.map((one) => one.skew ?? 1));
  if (skew >= 1.5) parts.push(`skew ${skew.toFixed(1)}`);
  if (figures.late) parts.push(figures.late);
  return parts.filter(Boolean).join(", ");
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
