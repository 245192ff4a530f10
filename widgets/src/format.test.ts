import { expect, test } from "vitest";
import { ago, bytes, clock, count, counted, cut, rate, seconds, share, time } from "./format";

test.each([
  [count(0), "0"],
  [count(999), "999"],
  [count(336776), "336,776"],
  [count(9_999_999), "9,999,999"],
  [count(12_345_678), "12.3M"],
  [count(null), "–"],
  [rate(0), "0/s"],
  [rate(0.04), "0/s"],
  [rate(0.42), "0.4/s"],
  [rate(9.96), "10/s"],
  [rate(310.4), "310/s"],
  [rate(999.6), "1.0k/s"],
  [rate(41_234), "41.2k/s"],
  [rate(999_960), "1.0M/s"],
  [rate(Number.NaN), "–"],
  [bytes(0), "0 B"],
  [bytes(1234), "1.2 kB"],
  [bytes(345_600_000), "346 MB"],
  [seconds(0.0034), "3 ms"],
  [seconds(0.9999), "1.0 s"],
  [seconds(1.44), "1.4 s"],
  [seconds(59.6), "1 min"],
  [seconds(751), "12 min 31 s"],
  [seconds(3600 * 3 + 720), "3 h 12 min"],
  [seconds(86400 * 2 + 3600 * 4), "2 d 4 h"],
  [seconds(-2), "-2.0 s"],
  [ago(-0.2), "0 s ago"],
  [ago(8.4), "8 s ago"],
  [ago(65), "1 min 5 s ago"],
  [clock(751.9), "00:12:31"],
  [clock(93_600), "26:00:00"],
  [share(0.956), "96 %"],
  [counted(1, "task"), "1 task"],
  [counted(1200, "row"), "1,200 rows"],
  [cut("a\nb", 10), "a b"],
  [cut("x".repeat(10_000), 4), "xxx…"],
])("%s", (written, expected) => expect(written).toBe(expected));

test("a moment of another day is written with its day", () => {
  const noon = new Date(2026, 10, 20, 12, 0, 0).getTime() / 1000;
  expect(time(noon, noon + 60)).toBe("12:00:00");
  expect(time(noon, noon + 86400)).toBe("2026-11-20 12:00:00");
});
