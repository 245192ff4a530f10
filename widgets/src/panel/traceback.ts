/** A line of a user's traceback: where a frame is, its code, the code that failed, what was raised. */
export interface TracebackLine {
  text: string;
  role: "place" | "code" | "failing" | "raised" | "library";
}

const PLACE = /^ {2}\S.*(?:, line |:)\d+, in /;
const LIBRARY = /^ {2}\(\d+ /;
const CODE = /^ {4}/;

/**
 * Lines of the traceback that the kernel made: `  cell [3], line 2, in f`, its code indented by four, `  (3 frames in
 * pandas)` for what is not the user's, and last what was raised. The innermost code of the user is what failed.
 */
export function tracebackLines(text: string): TracebackLine[] {
  const lines = text.trimEnd().split("\n");
  const roles = lines.map<TracebackLine["role"]>((line, at) => {
    if (LIBRARY.test(line)) return "library";
    if (PLACE.test(line)) return "place";
    return CODE.test(line) && PLACE.test(lines[at - 1] ?? "") ? "code" : "raised";
  });
  const failing = roles.lastIndexOf("code");
  return lines.map((line, at) => ({ text: line, role: at === failing ? "failing" : roles[at]! }));
}
