/** What the panel is about: the selected box or edge, with everything that is known of it now. */
import type { EdgeMetrics, Graph, JobFailure, JobMetrics, Node, OperatorCard, TaskMetrics, VertexMetrics } from "../messages";
import type { Selection, Store } from "../store";

export interface NodeSubject {
  kind: "node";
  id: string;
  title: string;
  note: string;
  vertices: VertexMetrics[];
  tasks: TaskMetrics[];
  cards: OperatorCard[];
  /** The job's failure, if it happened here. */
  failure: JobFailure | null;
}

export interface EdgeSubject {
  kind: "edge";
  id: string;
  title: string;
  edge: EdgeMetrics;
  /** The operators whose rows travel on it: the chain above it. */
  cards: OperatorCard[];
}

export type Subject = NodeSubject | EdgeSubject;

/** The subject of the store's selection; null if nothing is selected, or nothing is known of it (yet). */
export function subjectOf(store: Store): Subject | null {
  const graph = store.graph.value;
  const selected = store.selected.value;
  if (!graph || !selected) return null;
  const metrics = store.live.value?.metrics ?? null;
  return selected.kind === "node" ? nodeSubject(store, graph, selected.id, metrics) : edgeSubject(graph, selected, metrics);
}

function nodeSubject(store: Store, graph: Graph, id: string, metrics: JobMetrics | null): NodeSubject | null {
  const node = boxes(graph, store.view.value).find((one) => one.id === id || one.vertices.includes(id));
  if (!node) return null;
  const error = metrics?.error ?? null;
  return {
    kind: "node",
    id: node.id,
    title: node.title,
    note: node.note,
    vertices: node.vertices.flatMap((vertex) => store.vertices.value.get(vertex) ?? []),
    tasks: node.vertices.flatMap((vertex) => store.tasks.value.get(vertex) ?? []),
    cards: graph.picture.operators.filter((card) => node.operators.includes(card.id)),
    failure: error && happenedAt(error, node) ? error : null,
  };
}

/** Boxes of the view that is shown come first: the same id may mean a chain in one and its first operator in another. */
function boxes(graph: Graph, shown: string): Node[] {
  const views = [...graph.picture.views].sort((one, other) => Number(other.name === shown) - Number(one.name === shown));
  return views.flatMap(({ nodes }) => nodes);
}

function edgeSubject(graph: Graph, selected: Selection & { kind: "edge" }, metrics: JobMetrics | null): EdgeSubject | null {
  const edge = metrics?.edges.find(({ index }) => index === selected.index);
  if (!edge) return null;
  const cards = graph.picture.operators.filter(({ vertex }) => vertex === edge.up);
  return { kind: "edge", id: `edge ${edge.index}`, title: `${edge.up} → ${edge.down}`, edge, cards };
}

/** Whether the job failed in `node`: at one of its operators, or in one of its vertices if no operator is known. */
export function happenedAt(error: JobFailure, node: Pick<Node, "vertices" | "operators">): boolean {
  return error.operator ? node.operators.includes(error.operator) : node.vertices.includes(error.vertex || "-");
}
