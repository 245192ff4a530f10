/** Arrow keys in the graph: right and left along lines, which can have the focus, too; up and down among neighbours. */
import type { Line, PictureNode, View } from "../messages";

/** A focusable element: the index of a node or of a line in the view. */
export interface Stop {
  kind: "node" | "line";
  place: number;
}

const node = (place: number): Stop => ({ kind: "node", place });
const line = (place: number): Stop => ({ kind: "line", place });

/** Returns the next element; null if there is none in that direction, or if the key is not an arrow. */
export function walk(view: View, at: Stop, key: string): Stop | null {
  switch (key) {
    case "Home":
      return view.nodes.length ? node(0) : null;
    case "End":
      return view.nodes.length ? node(view.nodes.length - 1) : null;
    case "ArrowRight":
      return at.kind === "line" ? end(view, at, "down") : first(view, at, "up");
    case "ArrowLeft":
      return at.kind === "line" ? end(view, at, "up") : first(view, at, "down");
    case "ArrowDown":
      return beside(view, at, 1);
    case "ArrowUp":
      return beside(view, at, -1);
    default:
      return null;
  }
}

function end(view: View, at: Stop, side: "up" | "down"): Stop | null {
  const place = view.nodes.findIndex((one) => one.id === view.lines[at.place]?.[side]);
  return place < 0 ? null : node(place);
}

/** Returns the uppermost line at that side of the node. */
function first(view: View, at: Stop, side: "up" | "down"): Stop | null {
  const id = view.nodes[at.place]?.id;
  const places = ordered(view, (one) => one[side] === id);
  return places[0] === undefined ? null : line(places[0]);
}

/** Returns lines that share an end, or nodes above each other, from top to bottom. */
function beside(view: View, at: Stop, step: number): Stop | null {
  const here = at.kind === "line" ? view.lines[at.place] : undefined;
  const places = here
    ? ordered(view, (one) => one.up === here.up || one.down === here.down)
    : column(view, view.nodes[at.place]);
  const place = places[places.indexOf(at.place) + step];
  return place === undefined ? null : { kind: at.kind, place };
}

function ordered(view: View, wanted: (one: Line) => boolean): number[] {
  const height = (place: number) => view.lines[place]?.tip[1] ?? 0;
  const across = (place: number) => view.lines[place]?.tip[0] ?? 0;
  return places(view.lines, wanted).sort((one, other) => height(one) - height(other) || across(one) - across(other));
}

function column(view: View, here: PictureNode | undefined): number[] {
  if (!here) return [];
  const centre = here.x + here.width / 2;
  const over = (one: PictureNode) => one.x <= centre && centre <= one.x + one.width;
  return places(view.nodes, over).sort((one, other) => (view.nodes[one]?.y ?? 0) - (view.nodes[other]?.y ?? 0));
}

function places<T>(some: readonly T[], wanted: (one: T) => boolean): number[] {
  return some.flatMap((one, place) => (wanted(one) ? [place] : []));
}
