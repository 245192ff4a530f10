/** The canvas: the size of its window, the visible part of the picture, and functions that pan and zoom. */
import { type Signal, useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { type MutableRef, useEffect, useMemo, useRef } from "preact/hooks";
import { type Box, type Size, type Viewport, centred, fit, heightFor, pan, reveal, zoom } from "./viewport";

const STEP = 1.25;
const CLICK_PIXELS = 4;
const ASSUMED_WIDTH = 860;
/** At a smaller scale, a window that shrinks around a selected box shows that box instead of the whole picture. */
const COMFORTABLE = 0.65;

export interface Canvas {
  window: RefObject<HTMLDivElement>;
  size: Signal<Size>;
  seen: Signal<Viewport>;
  /** True from the start of a drag until after its click event, which must not select anything. */
  dragged: MutableRef<boolean>;
  /** Show the whole picture, at any scale. */
  fitAll(): void;
  zoomBy(steps: number): void;
  /** Pan as little as necessary to show a box of the picture. */
  look(box: Box): void;
  onWheel(event: WheelEvent): void;
  onPointerDown(event: PointerEvent): void;
}

/** Fits the picture into a smaller window; if the scale would be too small, keeps the box of `wanted` visible instead. */
export function useCanvas(picture: Size, wanted: () => Box | null): Canvas {
  const window = useRef<HTMLDivElement>(null);
  const size = useSignal<Size>({ width: ASSUMED_WIDTH, height: heightFor(picture, ASSUMED_WIDTH) });
  const seen = useSignal<Viewport>(fit(picture, size.value));
  const touched = useRef(false);
  const dragged = useRef(false);

  useEffect(() => {
    const element = window.current;
    if (!element) return undefined;
    touched.current = false;
    const measure = (): void => {
      const width = element.clientWidth || ASSUMED_WIDTH;
      const height = element.clientHeight || heightFor(picture, width);
      size.value = { width, height };
      const box = wanted();
      const whole = fit(picture, size.value);
      if (box && (touched.current || whole.scale < COMFORTABLE))
        seen.value = reveal(touched.current ? seen.value : centred(seen.value, picture, size.value), box, size.value);
      else if (!touched.current) seen.value = whole;
    };
    measure();
    if (typeof ResizeObserver === "undefined") return undefined;
    const watching = new ResizeObserver(measure);
    watching.observe(element);
    return () => watching.disconnect();
  }, [picture]);

  return useMemo(() => {
    const move = (wanted: Viewport): void => {
      touched.current = true;
      seen.value = wanted;
    };
    return {
      window,
      size,
      seen,
      dragged,
      look: (box) => {
        const wanted = reveal(seen.value, box, size.value);
        if (wanted.left !== seen.value.left || wanted.top !== seen.value.top) move(wanted);
      },
      fitAll: () => {
        touched.current = false;
        seen.value = fit(picture, size.value, true);
      },
      zoomBy: (steps) => move(zoom(seen.value, STEP ** steps, size.value.width / 2, size.value.height / 2)),
      onWheel: (event) => {
        if (!event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        const box = window.current?.getBoundingClientRect();
        const factor = Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.0025));
        move(zoom(seen.value, factor, event.clientX - (box?.left ?? 0), event.clientY - (box?.top ?? 0)));
      },
      onPointerDown: (event) => drag(event, dragged, (dx, dy) => move(pan(seen.value, dx, dy, picture, size.value))),
    };
  }, [picture]);
}

/** Pans with the pointer until it is released; a movement of a few pixels is still a click. */
function drag(start: PointerEvent, dragged: MutableRef<boolean>, move: (dx: number, dy: number) => void): void {
  const element = start.currentTarget as Element;
  if (start.button !== 0) return;
  let [x, y] = [start.clientX, start.clientY];
  dragged.current = false;
  const onMove = (event: PointerEvent): void => {
    if (event.pointerId !== start.pointerId) return;
    if (!dragged.current) {
      if (Math.hypot(event.clientX - x, event.clientY - y) < CLICK_PIXELS) return;
      dragged.current = true;
      element.setPointerCapture(start.pointerId);
    }
    move(event.clientX - x, event.clientY - y);
    [x, y] = [event.clientX, event.clientY];
  };
  const onEnd = (event: PointerEvent): void => {
    if (event.pointerId !== start.pointerId) return;
    element.removeEventListener("pointermove", onMove as EventListener);
    element.removeEventListener("pointerup", onEnd as EventListener);
    element.removeEventListener("pointercancel", onEnd as EventListener);
  };
  element.addEventListener("pointermove", onMove as EventListener);
  element.addEventListener("pointerup", onEnd as EventListener);
  element.addEventListener("pointercancel", onEnd as EventListener);
}
