/** Detects dark pages that do not tell style sheets: their text is light. */

const LIGHT = 140;

/** Returns whether text in `element` is light. */
export function pageIsDark(element: Element): boolean {
  const [red, green, blue] = (getComputedStyle(element).color.match(/[\d.]+/g) ?? []).map(Number);
  if (red === undefined || green === undefined || blue === undefined) return false;
  return 0.299 * red + 0.587 * green + 0.114 * blue > LIGHT;
}
