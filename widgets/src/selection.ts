/** The selection: a box in a view, or an edge. */
import type { EdgeMetrics, Graph, Line, PictureNode, View } from "./messages";
import type { Selection, Store, ViewName } from "./store";

export function viewOf(graph: Graph | null, name: ViewName): View | null {
  const views = graph?.picture.views ?? [];
  return (
    views.find((view) => view.name === name) ?? views.find((view) => view.name === "optimized") ?? views[0] ?? null
  );
}

/** Returns the selected box, in the current view or in another; null if an edge or nothing is selected. */
export function selectedNode(store: Store): PictureNode | null {
  const selected = store.selected.value;
  const graph = store.graph.value;
  if (selected?.kind !== "node" || !graph) return null;
  const shown = viewOf(graph, store.view.value);
  const views = shown ? [shown, ...graph.picture.views] : graph.picture.views;
  return views.flatMap((view) => view.nodes).find((node) => node.id === selected.id) ?? null;
}

/** Returns the selected edge's metrics; null if a box or nothing is selected. */
export function selectedEdge(store: Store): EdgeMetrics | null {
  const selected = store.selected.value;
  if (selected?.kind !== "edge") return null;
  return store.live.value?.metrics?.edges.find((edge) => edge.index === selected.index) ?? null;
}

/** Returns what a click on a line selects: its first edge, or the upper box if its rows stay in one task. */
export function lineSelection(line: Line): Selection {
  const index = line.edges[0];
  return index === undefined ? { kind: "node", id: line.up } : { kind: "edge", index };
}

export function isSelected(selected: Selection | null, what: Selection): boolean {
  if (selected?.kind === "node") return what.kind === "node" && what.id === selected.id;
  return selected?.kind === "edge" && what.kind === "edge" && what.index === selected.index;
}

/** Changes the view and keeps the selection, as the box of the new view that contains it. */
export function show(store: Store, name: ViewName): void {
  const before = selectedNode(store);
  store.view.value = name;
  const after = viewOf(store.graph.value, name);
  if (!before || !after || after.nodes.some((node) => node.id === before.id)) return;
  const heir =
    nodeWith(after, before.operators[0] ?? "") ?? after.nodes.find((node) => node.vertices[0] === before.vertices[0]);
  store.selected.value = heir ? { kind: "node", id: heir.id } : null;
}

/** Selects the box of an operator, in a view that has boxes. */
export function showOperator(store: Store, operator: string): void {
  if (!["logical", "optimized"].includes(store.view.value)) store.view.value = "optimized";
  const node = nodeWith(viewOf(store.graph.value, store.view.value), operator);
  if (node) store.selected.value = { kind: "node", id: node.id };
}

/** Returns the box that contains an operator, or a vertex of that name. */
export function nodeWith(view: View | null, operator: string): PictureNode | null {
  const nodes = view?.nodes ?? [];
  return (
    nodes.find((node) => node.operators.includes(operator)) ??
    nodes.find((node) => node.vertices.includes(operator)) ??
    null
  );
}
