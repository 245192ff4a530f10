/** A line of a user's traceback: a frame, its code, the code that failed, or the exception. */
export interface TracebackLine {
  text: string;
  role: "place" | "code" | "failing" | "raised" | "library";
}

const PLACE = /^ {2}\S.*(?:, line |:)\d+, in /;
const LIBRARY = /^ {2}\(\d+ /;
const CODE = /^ {4}/;

/**
 * Parses the traceback that the kernel wrote: `  cell [3], line 2, in f`, its code indented by four, `  (3 frames in
 * pandas)` for frames that are not the user's, and last the exception. The innermost code of the user is the code that failed.
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
