/** Formats numbers, independent of the browser's language; the twin of sabotnb/display/number_format.py. */

const NONE = "–";
const PREFIXES = ["", "k", "M", "G", "T", "P"];

/** A count: `336,776`; from ten million on `12.3M`. */
export function count(value: number | null | undefined): string {
  if (!known(value)) return NONE;
  return Math.abs(value) < 1e7 ? grouped(Math.round(value)) : short(value);
}

/** A short count: `310`, `41.2k`, `31.0M`, `0.4`. */
export function brief(value: number | null | undefined): string {
  return known(value) ? short(value) : NONE;
}

/** Rows per second: `310/s`, `41.2k/s`, `0.4/s`. */
export function rate(value: number | null | undefined): string {
  return known(value) ? `${short(value)}/s` : NONE;
}

/** Bytes in powers of 1000: `0 B`, `512 B`, `1.2 kB`, `34.5 MB`. */
export function bytes(value: number | null | undefined): string {
  if (!known(value)) return NONE;
  const [digits, prefix] = scaled(value);
  return `${digits} ${prefix}B`;
}

/** A duration in seconds: `3 ms`, `1.4 s`, `42 s`, `12 min 31 s`, `3 h 12 min`, `2 d 4 h`. */
export function seconds(value: number | null | undefined): string {
  if (!known(value)) return NONE;
  if (value < 0) return `-${seconds(-value)}`;
  if (value < 0.9995) return `${Math.round(value * 1000)} ms`;
  if (value < 9.95) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return pair(whole, 60, "min", "s");
  if (whole < 86400) return pair(Math.floor(whole / 60), 60, "h", "min");
  return pair(Math.floor(whole / 3600), 24, "d", "h");
}

/** How long ago something was, in whole seconds: `0 s ago`, `8 s ago`, `1 min 5 s ago`. */
export function ago(value: number | null | undefined): string {
  if (!known(value)) return NONE;
  const whole = Math.max(0, Math.round(value));
  return whole < 60 ? `${whole} s ago` : `${seconds(whole)} ago`;
}

/** The duration of a job with a fixed number of digits: `00:12:31`, `26:00:00`. */
export function clock(value: number | null | undefined): string {
  if (!known(value)) return NONE;
  const whole = Math.max(0, Math.floor(value));
  return [whole / 3600, (whole / 60) % 60, whole % 60]
    .map((part) => String(Math.floor(part)).padStart(2, "0"))
    .join(":");
}

/** A share of 1: `96 %`. */
export function share(value: number | null | undefined): string {
  return known(value) ? `${Math.round(value * 100)} %` : NONE;
}

/** A share of 1, with `less than 1 %` for small ones that are not 0. */
export function exactShare(value: number): string {
  return value > 0 && value < 0.01 ? "less than 1 %" : share(value);
}

/** A time, in seconds since the epoch, in the local time zone: `19:38:06`, with the date unless it is today. */
export function time(value: number | null | undefined, now: number = Date.now() / 1000): string {
  if (!known(value)) return NONE;
  const at = new Date(value * 1000);
  const two = (part: number) => String(part).padStart(2, "0");
  const hours = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":");
  if (at.toDateString() === new Date(now * 1000).toDateString()) return hours;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${hours}`;
}

/** Late rows above this share of an operator's input are a fault; the twin of `MANY_LATE` in sabotnb/metrics. */
const MANY_LATE = 0.05;

export const manyLate = (part: number): boolean => part > MANY_LATE;

/** `1 task`, `1,200 tasks`. */
export function counted(value: number, thing: string): string {
  return `${count(value)} ${thing}${value === 1 ? "" : "s"}`;
}

/** Cuts a text to one line of at most `letters` letters, with an ellipsis. */
export function cut(text: string, letters: number): string {
  const line = text.slice(0, letters + 1).replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, " ");
  return line.length <= letters ? line : `${line.slice(0, Math.max(0, letters - 1))}…`;
}

function known(value: number | null | undefined): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Three significant digits, two for small numbers. */
function short(value: number): string {
  if (Math.abs(value) > 0 && Math.abs(value) < 9.95) return String(Number(value.toFixed(1)));
  const [digits, prefix] = scaled(value);
  return digits + prefix;
}

function scaled(value: number): [string, string] {
  let rest = value;
  let step = 0;
  while (Math.abs(rest) >= 999.5 && step < PREFIXES.length - 1) {
    rest /= 1000;
    step += 1;
  }
  const digits = step === 0 || Math.abs(rest) >= 99.95 ? String(Math.round(rest)) : rest.toFixed(1);
  return [digits, PREFIXES[step] ?? ""];
}

function pair(value: number, base: number, big: string, small: string): string {
  const rest = value % base;
  return `${Math.floor(value / base)} ${big}${rest ? ` ${rest} ${small}` : ""}`;
}
