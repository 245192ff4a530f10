/** A sparkline of the last minute's rates, as SVG path data. */

const SECONDS = 60;

/** Returns the line from left to right, the newest at the right edge; empty for fewer than two numbers. The scale starts at 0. */
export function sparkline(history: readonly number[], width: number, height: number): string {
  const shown = history.slice(-SECONDS);
  if (shown.length < 2) return "";
  const highest = Math.max(...shown, Number.MIN_VALUE);
  const step = width / (SECONDS - 1);
  const start = width - (shown.length - 1) * step;
  const at = (value: number, place: number) =>
    `${(start + place * step).toFixed(1)} ${(height - 1 - Math.max(0, value / highest) * (height - 2)).toFixed(1)}`;
  return `M${shown.map(at).join("L")}`;
}

/** Returns the area below such a line. */
export function area(line: string, width: number, height: number): string {
  const start = line.slice(1, line.indexOf(" "));
  return `${line}L${width} ${height}L${start} ${height}Z`;
}
