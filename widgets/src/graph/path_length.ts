/** Computes the length of SVG path data without a DOM: for M, L and C with absolute coordinates. */

export function pathLength(path: string): number {
  let length = 0;
  let [x, y] = [0, 0];
  for (const [, letter, written] of path.matchAll(/([MLC])([^MLC]*)/g)) {
    const numbers = (written?.match(/-?[\d.]+/g) ?? []).map(Number);
    const [endX = x, endY = y] = numbers.slice(-2);
    const straight = Math.hypot(endX - x, endY - y);
    if (letter === "L") length += straight;
    if (letter === "C") length += (straight + along(x, y, numbers)) / 2;
    [x, y] = [endX, endY];
  }
  return length;
}

/** Returns the length of a curve: about midway between its control polygon and its chord. */
function along(x: number, y: number, numbers: readonly number[]): number {
  let length = 0;
  for (let place = 0; place + 1 < numbers.length; place += 2) {
    const [nextX, nextY] = [numbers[place] ?? x, numbers[place + 1] ?? y];
    length += Math.hypot(nextX - x, nextY - y);
    [x, y] = [nextX, nextY];
  }
  return length;
}
