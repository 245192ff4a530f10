/** The visible part of a picture and its scale. Pure; lengths are CSS pixels. */

export interface Size {
  width: number;
  height: number;
}

/** Of the picture. */
export interface Box extends Size {
  x: number;
  y: number;
}

/** A point (x, y) of the picture is shown at (x * scale + left, y * scale + top). */
export interface Viewport {
  left: number;
  top: number;
  scale: number;
}

export const MOST_HEIGHT = 460;
export const LEAST_HEIGHT = 150;
/** The least scale that is chosen automatically; a larger picture is shown in part. */
export const READABLE = 0.5;
const SMALLEST = 0.15;
const LARGEST = 3;
const KEPT = 60;

/** Returns the whole picture, at most at its own size and, unless `whole` is required, at least at a readable scale. */
export function fit(picture: Size, window: Size, whole = false): Viewport {
  const room = Math.min(window.width / picture.width, window.height / picture.height);
  const scale = Math.min(1, Math.max(room, whole ? SMALLEST : READABLE));
  return centred({ left: (window.width - picture.width * scale) / 2, top: 0, scale }, picture, window);
}

/** Centres vertically, or aligns to the top if the picture is higher; leaves no empty space on the left. */
export function centred({ left, scale }: Viewport, picture: Size, window: Size): Viewport {
  return { left: Math.max(0, left), top: Math.max(0, (window.height - picture.height * scale) / 2), scale };
}

/** Returns the height at which a window of this width shows the picture. */
export function heightFor(picture: Size, width: number): number {
  const scale = Math.min(1, Math.max(width / picture.width, READABLE));
  return Math.round(Math.min(MOST_HEIGHT, Math.max(LEAST_HEIGHT, picture.height * scale)));
}

/** Zooms by `factor`; the point at (x, y) of the window does not move. */
export function zoom(seen: Viewport, factor: number, x: number, y: number): Viewport {
  const scale = Math.min(LARGEST, Math.max(SMALLEST, seen.scale * factor));
  const grown = scale / seen.scale;
  return { left: x - (x - seen.left) * grown, top: y - (y - seen.top) * grown, scale };
}

/** Pans, but keeps a part of the picture visible. */
export function pan(seen: Viewport, dx: number, dy: number, picture: Size, window: Size): Viewport {
  const kept = (at: number, inside: number, outside: number) =>
    Math.min(outside - KEPT, Math.max(KEPT - inside * seen.scale, at));
  return {
    left: kept(seen.left + dx, picture.width, window.width),
    top: kept(seen.top + dy, picture.height, window.height),
    scale: seen.scale,
  };
}

/** Pans as little as necessary to show a box of the picture. */
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

/** Returns the visible range along a side as shares of the picture's length; null if all of it is visible. */
export function span(start: number, inside: number, outside: number): { from: number; part: number } | null {
  if (start >= -1 && start + inside <= outside + 1) return null;
  const [low, high] = [Math.min(0, start), Math.max(outside, start + inside)];
  return { from: -low / (high - low), part: outside / (high - low) };
}
