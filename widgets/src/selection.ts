/** Which box of which view is meant. */
import type { EdgeMetrics, Graph, Line, PictureNode, View } from "./messages";
import type { Selection, Store, ViewName } from "./store";

export function viewOf(graph: Graph | null, name: ViewName): View | null {
  const views = graph?.picture.views ?? [];
  return (
    views.find((view) => view.name === name) ?? views.find((view) => view.name === "optimized") ?? views[0] ?? null
  );
}

/** The selected box, in the view that is shown or in any other; null if an edge is selected, or nothing. */
export function selectedNode(store: Store): PictureNode | null {
  const selected = store.selected.value;
  const graph = store.graph.value;
  if (selected?.kind !== "node" || !graph) return null;
  const shown = viewOf(graph, store.view.value);
  const views = shown ? [shown, ...graph.picture.views] : graph.picture.views;
  return views.flatMap((view) => view.nodes).find((node) => node.id === selected.id) ?? null;
}

/** The selected edge's figures; null if a box is selected, or nothing. */
export function selectedEdge(store: Store): EdgeMetrics | null {
  const selected = store.selected.value;
  if (selected?.kind !== "edge") return null;
  return store.live.value?.metrics?.edges.find((edge) => edge.index === selected.index) ?? null;
}

/** What a click on a line selects: its first edge, or where its rows stay in one task the box that they leave. */
export function lineSelection(line: Line): Selection {
  const index = line.edges[0];
  return index === undefined ? { kind: "node", id: line.up } : { kind: "edge", index };
}

export function isSelected(selected: Selection | null, what: Selection): boolean {
  if (selected?.kind === "node") return what.kind === "node" && what.id === selected.id;
  return selected?.kind === "edge" && what.kind === "edge" && what.index === selected.index;
}

/** Change to another view; what is selected stays so, as the box that it belongs to there. */
export function show(store: Store, name: ViewName): void {
  const before = selectedNode(store);
  store.view.value = name;
  const after = viewOf(store.graph.value, name);
  if (!before || !after || after.nodes.some((node) => node.id === before.id)) return;
  const heir =
    nodeWith(after, before.operators[0] ?? "") ?? after.nodes.find((node) => node.vertices[0] === before.vertices[0]);
  store.selected.value = heir ? { kind: "node", id: heir.id } : null;
}

/** Select the box of an operator, in a view that has boxes. */
export function showOperator(store: Store, operator: string): void {
  if (!["logical", "optimized"].includes(store.view.value)) store.view.value = "optimized";
  const node = nodeWith(viewOf(store.graph.value, store.view.value), operator);
  if (node) store.selected.value = { kind: "node", id: node.id };
}

/** The box that stands for an operator, or for a vertex of that name. */
export function nodeWith(view: View | null, operator: string): PictureNode | null {
  const nodes = view?.nodes ?? [];
  return (
    nodes.find((node) => node.operators.includes(operator)) ??
    nodes.find((node) => node.vertices.includes(operator)) ??
    null
  );
}
