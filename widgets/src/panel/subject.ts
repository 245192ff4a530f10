/** The subject of the panel: the selected box or edge, with its current metrics. */
import { cut } from "../format";
import type { EdgeMetrics, JobFailure, OperatorCard, PictureNode, VertexMetrics } from "../messages";
import { selectedEdge, selectedNode } from "../selection";
import type { Store } from "../store";

const MOST_NAMED = 8;
const TITLE_LETTERS = 160;

export interface NodeSubject {
  kind: "node";
  id: string;
  title: string;
  note: string;
  vertices: VertexMetrics[];
  cards: OperatorCard[];
  /** The job's failure, if it happened in this box. */
  failure: JobFailure | null;
}

export interface EdgeSubject {
  kind: "edge";
  id: string;
  title: string;
  edge: EdgeMetrics;
  /** The operators that send rows on it: the chain above it. */
  cards: OperatorCard[];
}

export type Subject = NodeSubject | EdgeSubject;

/** Returns the subject of the selection; null if nothing is selected, or there are no metrics of it yet. */
export function subjectOf(store: Store): Subject | null {
  const cards = store.graph.value?.picture.operators ?? [];
  const node = selectedNode(store);
  const edge = selectedEdge(store);
  if (node) return nodeSubject(store, node, cards);
  return edge && { kind: "edge", id: `edge ${edge.index}`, title: `${edge.up} → ${edge.down}`, edge, cards: cards.filter(({ vertex }) => vertex === edge.up) };
}

function nodeSubject(store: Store, node: PictureNode, cards: readonly OperatorCard[]): NodeSubject {
  const error = store.live.value?.metrics?.error ?? null;
  return {
    kind: "node",
    id: node.id,
    title: titleOf(node),
    note: node.note,
    vertices: node.vertices.flatMap((vertex) => store.vertices.value.get(vertex) ?? []),
    cards: cards.filter((card) => node.operators.includes(card.id)),
    failure: error && happenedAt(error, node) ? error : null,
  };
}

/** Returns the operators of a box, which the picture may have cut; a group has its own name. */
function titleOf({ title, operators }: PictureNode): string {
  return operators.length > 0 && operators.length <= MOST_NAMED ? cut(operators.join(" · "), TITLE_LETTERS) : title;
}

/** Returns whether the job failed in `node`: in one of its operators, or its vertices if no operator is known. */
export function happenedAt(error: JobFailure, node: Pick<PictureNode, "vertices" | "operators">): boolean {
  return error.operator ? node.operators.includes(error.operator) : node.vertices.includes(error.vertex || "-");
}
