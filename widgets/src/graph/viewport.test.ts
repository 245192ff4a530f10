import { expect, test } from "vitest";
import { fit, heightFor, pan, reveal, span, zoom } from "./viewport";

const picture = { width: 1250, height: 200 };
const window = { width: 500, height: 300 };

test("a picture that is small stays as it is, in the middle", () => {
  expect(fit({ width: 300, height: 100 }, window)).toEqual({ left: 100, top: 100, scale: 1 });
});

test("a picture that is large becomes no smaller than can be read, unless all of it is wanted", () => {
  expect(fit(picture, window)).toEqual({ left: 0, top: 100, scale: 0.5 });
  expect(fit(picture, window, true)).toEqual({ left: 0, top: 110, scale: 0.4 });
});

test.each([
  [1000, 160],
  [500, 150],
  [2000, 200],
])("%d px wide it is %d px high", (width, height) => expect(heightFor(picture, width)).toBe(height));

test("what is under the pointer stays there", () => {
  const seen = zoom({ left: 10, top: 20, scale: 0.5 }, 2, 110, 70);
  expect(seen).toEqual({ left: -90, top: -30, scale: 1 });
});

test("there is a largest and a smallest scale", () => {
  expect(zoom({ left: 0, top: 0, scale: 1 }, 100, 0, 0).scale).toBe(3);
  expect(zoom({ left: 0, top: 0, scale: 1 }, 0.001, 0, 0).scale).toBe(0.15);
});

test("a picture cannot be dragged out of sight", () => {
  expect(pan({ left: 0, top: 0, scale: 1 }, -5000, 5000, picture, window)).toEqual({ left: -1190, top: 240, scale: 1 });
});

test("a box that is out of sight is brought in, one that is in sight moves nothing", () => {
  const seen = { left: 0, top: 0, scale: 1 };
  expect(reveal(seen, { x: 600, y: 50, width: 100, height: 80 }, window).left).toBe(-224);
  expect(reveal(seen, { x: 100, y: 50, width: 100, height: 80 }, window)).toEqual(seen);
});

test("marks say which part of a side is seen", () => {
  expect(span(0, 400, 500)).toBeNull();
  expect(span(-250, 1000, 500)).toEqual({ from: 0.25, part: 0.5 });
});
