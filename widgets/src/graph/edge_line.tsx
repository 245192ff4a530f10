/** A line of the graph: its width is the rate, the gauge at its end the fill of the queue. */
import { useMemo } from "preact/hooks";
import { cut, rate, share } from "../format";
import type { Line } from "../messages";
import type { LineFigures } from "./figures";
import { pathLength } from "./path_length";

const ARROW = 7;
/** Pixels: the length of a full gauge. */
const GAUGE = 64;
const THIN = 1.5;
const THICK = 3.5;
/** Rows per second: a slower line is never drawn at full width, even if it is the fastest. */
const SLOW = 10;
const LETTER = 5.6;
const LABEL_LETTERS = 40;
/** The fill from which on a queue has a label. */
const WORTH = 0.1;

interface Props {
  line: Line;
  figures: LineFigures;
  /** Rows per second of the fastest line in the picture. */
  fastest: number;
  /** Pixels: the distance between the two boxes. */
  room: number;
  place: number;
  selected: boolean;
  over: boolean;
  tabIndex: number;
}

export function EdgeLine({ line, figures, fastest, room, place, selected, over, tabIndex }: Props) {
  const width = THIN + THICK * Math.sqrt(Math.min(1, figures.rate / Math.max(fastest, SLOW)));
  const [x, y] = line.tip;
  const wing = 4 + width / 3;
  const above = line.label_at[1] > y;
  const fill = Math.min(1, figures.fill);
  return (
    <g
      class={`sabot-line ${line.type && line.type !== "forward" ? "is-spread" : ""}`}
      role="button"
      tabindex={tabIndex}
      data-at={`line-${place}`}
      aria-pressed={selected}
      aria-label={`edge ${figures.label}`}
    >
      <title>{figures.label}</title>
      <path class="sabot-hit" d={line.path} />
      <path class="sabot-ring" d={line.path} />
      {!over && fill > 0.01 && <Queue path={line.path} fill={fill} />}
      <path class="sabot-way" d={line.path} stroke-width={width} />
      <path class="sabot-tip" d={`M${x - ARROW - 1} ${y - wing}L${x} ${y}L${x - ARROW - 1} ${y + wing}Z`} />
      <text class="sabot-label" x={line.label_at[0]} y={line.label_at[1]}>
        {cut(line.label, LABEL_LETTERS)}
      </text>
      {!over && (
        <text class={fill >= 0.5 ? "sabot-rate is-full" : "sabot-rate"} x={x - ARROW - 5} y={above ? y - 5 : y + 13}>
          {figuresText(figures, room)}
        </text>
      )}
    </g>
  );
}

/** A gauge along the end of the line, because rows queue at the input of the lower task. */
function Queue({ path, fill }: { path: string; fill: number }) {
  const whole = useMemo(() => Math.max(1, pathLength(path)), [path]);
  const gauge = Math.min(GAUGE, whole);
  const last = (length: number) => ({
    d: path,
    pathLength: whole,
    "stroke-dasharray": `0 ${whole - length} ${length} 0`,
  });
  return (
    <>
      <path class="sabot-queue is-empty" {...last(gauge)} />
      <path class="sabot-queue" {...last(gauge * fill)} />
    </>
  );
}

/** The rate and the fill of the queue; if only one fits, the more important one. */
function figuresText({ rate: rows, fill }: LineFigures, room: number): string {
  const texts = [rate(rows), ...(fill >= WORTH ? [`${share(fill)} full`] : [])];
  const both = texts.join(" · ");
  if (both.length * LETTER <= room - ARROW - 5) return both;
  return fill >= 0.5 ? (texts[1] ?? "") : (texts[0] ?? "");
}
