/** The picture of a job, at the coordinates that Python computed, with the current metrics. */
import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { counted, cut } from "../format";
import type { Line, View } from "../messages";
import { isSelected, lineSelection } from "../selection";
import type { Selection, Store } from "../store";
import { type Canvas, useCanvas } from "./canvas";
import { Drawing } from "./drawing";
import { type Box, heightFor, span } from "./viewport";
import { type Stop, walk } from "./walk";

/** The scale below which boxes show only their titles, in large letters. */
const FAR = 0.62;
const NAME_LETTERS = 80;
const KEYS = "Arrow keys follow the edges, Enter opens details, plus, minus and 0 zoom.";

/** Puts its canvas into `hands` while it is mounted, for the buttons of the toolbar. */
export function Graph({ store, view, hands }: { store: Store; view: View; hands: Signal<Canvas | null> }) {
  const canvas = useCanvas(view, () => selectedBox(view, store.selected.peek()));
  useEffect(() => {
    hands.value = canvas;
    return () => {
      hands.value = null;
    };
  }, [canvas]);
  const at = useSignal<Stop>({ kind: "node", place: 0 });
  const drawn = useRef<SVGSVGElement>(null);
  const go = (stop: Stop): void => {
    at.value = stop;
    const box = stop.kind === "node" ? view.nodes[stop.place] : lineBox(view.lines[stop.place]);
    if (box) canvas.look(box);
    drawn.current?.querySelector<SVGElement>(`[data-at="${stop.kind}-${stop.place}"]`)?.focus({ preventScroll: true });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (handled(event.key, store, view, canvas, at.value, go)) {
      event.preventDefault();
      event.stopPropagation();
    }
  };
  const onClick = (event: MouseEvent): void => {
    const stop = canvas.dragged.current ? null : stopAt(event.target);
    canvas.dragged.current = false;
    if (stop) select(store, view, (at.value = stop));
  };
  const { left, top, scale } = canvas.seen.value;
  const job = cut(store.graph.value?.job ?? "", NAME_LETTERS);
  return (
    <div class="sabot-graph">
      <div
        class="sabot-window"
        ref={canvas.window}
        style={{ minHeight: `${heightFor(view, canvas.size.value.width)}px` }}
        // not on the svg: Chromium makes one that listens to it a stop of the Tab key
        onFocusIn={(event) => (at.value = stopAt(event.target) ?? at.value)}
      >
        <svg
          ref={drawn}
          class={scale < FAR ? "sabot-svg is-far" : "sabot-svg"}
          role="group"
          aria-label={`Graph of ${job}: ${counted(view.nodes.length, "node")}. ${KEYS}`}
          onKeyDown={onKeyDown}
          onClick={onClick}
          onWheel={canvas.onWheel}
          onPointerDown={canvas.onPointerDown}
        >
          <g transform={`translate(${left.toFixed(1)} ${top.toFixed(1)}) scale(${scale.toFixed(4)})`}>
            <Drawing store={store} view={view} at={at.value} far={scale < FAR} />
          </g>
        </svg>
        <Where canvas={canvas} view={view} />
      </div>
    </div>
  );
}

/** Marks at two sides of the window for the visible part of a large picture. */
function Where({ canvas, view }: { canvas: Canvas; view: View }) {
  const { left, top, scale } = canvas.seen.value;
  const { width, height } = canvas.size.value;
  const across = span(left, view.width * scale, width);
  const down = span(top, view.height * scale, height);
  const percent = (value: number) => `${(100 * value).toFixed(1)}%`;
  return (
    <>
      {across && (
        <div
          class="sabot-where"
          style={{ bottom: "2px", height: "4px", left: percent(across.from), width: percent(across.part) }}
        />
      )}
      {down && (
        <div
          class="sabot-where"
          style={{ right: "2px", width: "4px", top: percent(down.from), height: percent(down.part) }}
        />
      )}
    </>
  );
}

/** Handles a key; returns true if it has a meaning here. */
function handled(key: string, store: Store, view: View, canvas: Canvas, at: Stop, go: (stop: Stop) => void): boolean {
  const stop = walk(view, at, key);
  if (stop) go(stop);
  else if (key === "Enter" || key === " ") select(store, view, at);
  else if (key === "+" || key === "=") canvas.zoomBy(1);
  else if (key === "-") canvas.zoomBy(-1);
  else if (key === "0") canvas.fitAll();
  else return key.startsWith("Arrow");
  return true;
}

function select(store: Store, view: View, stop: Stop): void {
  const node = view.nodes[stop.place];
  const line = view.lines[stop.place];
  if (stop.kind === "node" && node) store.selected.value = { kind: "node", id: node.id };
  if (stop.kind === "line" && line) store.selected.value = lineSelection(line);
}

function stopAt(target: EventTarget | null): Stop | null {
  const name = target instanceof Element ? target.closest("[data-at]")?.getAttribute("data-at")?.split("-") : undefined;
  if (!name) return null;
  return { kind: name[0] === "line" ? "line" : "node", place: Number(name[1]) };
}

const lineBox = (line: Line | undefined): Box | undefined =>
  line && { x: line.tip[0] - 80, y: line.tip[1] - 25, width: 120, height: 50 };

function selectedBox(view: View, selected: Selection | null): Box | null {
  const node = view.nodes.find((one) => isSelected(selected, { kind: "node", id: one.id }));
  return node ?? lineBox(view.lines.find((one) => isSelected(selected, lineSelection(one)))) ?? null;
}
