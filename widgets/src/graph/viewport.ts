/** Which part of a picture is seen, and how large: pure. Lengths are CSS pixels. */

export interface Size {
  width: number;
  height: number;
}

/** Of the picture. */
export interface Box extends Size {
  x: number;
  y: number;
}

/** A point (x, y) of the picture is seen at (x * scale + left, y * scale + top). */
export interface Viewport {
  left: number;
  top: number;
  scale: number;
}

export const MOST_HEIGHT = 460;
export const LEAST_HEIGHT = 150;
/** Below it a picture is not made smaller by itself: it is seen in part. */
export const READABLE = 0.5;
const SMALLEST = 0.15;
const LARGEST = 3;
const KEPT = 60;

/** The whole picture, never larger than it is and, unless it has to be `whole`, never too small to read. */
export function fit(picture: Size, window: Size, whole = false): Viewport {
  const room = Math.min(window.width / picture.width, window.height / picture.height);
  const scale = Math.min(1, Math.max(room, whole ? SMALLEST : READABLE));
  return centred({ left: (window.width - picture.width * scale) / 2, top: 0, scale }, picture, window);
}

/** In the middle from top to bottom, or at the top where there is no room; never with nothing but air at the left. */
export function centred({ left, scale }: Viewport, picture: Size, window: Size): Viewport {
  return { left: Math.max(0, left), top: Math.max(0, (window.height - picture.height * scale) / 2), scale };
}

/** How high a window of this width should be to show the picture. */
export function heightFor(picture: Size, width: number): number {
  const scale = Math.min(1, Math.max(width / picture.width, READABLE));
  return Math.round(Math.min(MOST_HEIGHT, Math.max(LEAST_HEIGHT, picture.height * scale)));
}

/** Larger or smaller by `factor`; the point under (x, y) of the window stays there. */
export function zoom(seen: Viewport, factor: number, x: number, y: number): Viewport {
  const scale = Math.min(LARGEST, Math.max(SMALLEST, seen.scale * factor));
  const grown = scale / seen.scale;
  return { left: x - (x - seen.left) * grown, top: y - (y - seen.top) * grown, scale };
}

/** Moved, but never so far that the picture is out of sight. */
export function pan(seen: Viewport, dx: number, dy: number, picture: Size, window: Size): Viewport {
  const kept = (at: number, inside: number, outside: number) =>
    Math.min(outside - KEPT, Math.max(KEPT - inside * seen.scale, at));
  return {
    left: kept(seen.left + dx, picture.width, window.width),
    top: kept(seen.top + dy, picture.height, window.height),
    scale: seen.scale,
  };
}

/** Moved as little as is needed to see a box of the picture. */
export function reveal(seen: Viewport, box: Box, window: Size, margin = 24): Viewport {
  const shifted = (at: number, start: number, length: number, outside: number) => {
    const low = at + start * seen.scale - margin;
    const high = at + (start + length) * seen.scale + margin;
    if (low < 0) return at - low;
    return high > outside ? at - Math.min(high - outside, low) : at;
  };
  return {
    left: shifted(seen.left, box.x, box.width, window.width),
    top: shifted(seen.top, box.y, box.height, window.height),
    scale: seen.scale,
  };
}

/** Where along a side the window is, as parts of the picture's length; null if all of that side is seen. */
export function span(start: number, inside: number, outside: number): { from: number; part: number } | null {
  if (start >= -1 && start + inside <= outside + 1) return null;
  const [low, high] = [Math.min(0, start), Math.max(outside, start + inside)];
  return { from: -low / (high - low), part: outside / (high - low) };
}
