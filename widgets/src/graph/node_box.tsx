/** A box of the graph, at the coordinates of the static picture, so that both look alike. */
import { cut } from "../format";
import type { PictureNode } from "../messages";
import type { Dot, NodeFigures } from "./figures";
import { area, sparkline } from "./sparkline";

const LEFT = 13;
const RIGHT = 11;
const BAR = { y: 46, height: 8 };
const LOAD_TEXT = 74;
const SPARK = { width: 42, height: 17, y: 59 };
/** Least widths of letters: Python has already cut longer texts. */
const TITLE_LETTER = 6;
const TEXT_LETTER = 5;
const FAR_LETTER = 11;

interface Props {
  node: PictureNode;
  figures: NodeFigures;
  place: number;
  selected: boolean;
  found: string;
  tabIndex: number;
  /** At a small scale: the title only, in large letters. */
  far: boolean;
}

export function NodeBox({ node, figures, place, selected, found, tabIndex, far }: Props) {
  const right = node.width - RIGHT;
  const letters = Math.floor(far ? (right - LEFT) / FAR_LETTER : (right - LEFT - 24) / TITLE_LETTER);
  return (
    <g
      class={`sabot-node is-${figures.mark} role-${node.role}`}
      transform={`translate(${node.x} ${node.y})`}
      role="button"
      tabindex={tabIndex}
      data-at={`node-${place}`}
      aria-pressed={selected}
      aria-label={figures.label + (found && `, ${found}`)}
    >
      <title>{figures.label}</title>
      <rect class="sabot-ring" x="-4" y="-4" width={node.width + 8} height={node.height + 8} rx="11" />
      <rect class="sabot-box" width={node.width} height={node.height} rx="7" />
      <rect class="sabot-accent" y="8" width="3.5" height={node.height - 16} rx="1.75" />
      <text class="sabot-title" x={LEFT} y="20">
        {cut(node.title, letters)}
      </text>
      <text class="sabot-count" x={right} y="20">
        {tasksText(figures)}
      </text>
      <text class="sabot-text" x={LEFT} y="37">
        {cut(node.text, Math.floor((right - LEFT) / TEXT_LETTER))}
      </text>
      {hasLoad(figures) && <Load figures={figures} width={right - LEFT} />}
      <Dots dots={figures.dots} room={right - LEFT - SPARK.width - 8} />
      <text class="sabot-flow" x={LEFT} y="75">
        {figures.flowText}
      </text>
      <Spark history={figures.history} x={right - SPARK.width} />
      {figures.mark === "failed" && <Badge x={node.width} text="✕ failed" bad />}
      {found && figures.mark !== "failed" && <Badge x={node.width} text={found} />}
      {figures.late && !found && figures.mark !== "failed" && <Badge x={node.width} text={`⚠ ${figures.late}`} bad />}
    </g>
  );
}

/** Returns `4` tasks, or how many of them run if not all do. */
function tasksText({ mark, ready, tasks }: NodeFigures): string {
  if (mark === "removed") return "";
  return mark === "running" || mark === "waiting" ? `${ready}/${tasks}` : `×${tasks}`;
}

const hasLoad = ({ mark }: NodeFigures): boolean => mark === "running" || mark === "waiting";

/** The load bar: busy is solid, blocked is striped, idle is empty; the largest share is the text beside it. */
function Load({ figures, width }: { figures: NodeFigures; width: number }) {
  const { load, loadText } = figures;
  const length = width - (loadText ? LOAD_TEXT : 0);
  const middle = BAR.y + BAR.height / 2;
  const busy = length * Math.min(1, load.busy);
  const held = length * Math.min(1 - Math.min(1, load.busy), load.backpressured);
  if (!loadText)
    return <rect class="sabot-track is-empty" x={LEFT} y={BAR.y} width={length} height={BAR.height} rx="2" />;
  return (
    <>
      <rect class="sabot-track" x={LEFT} y={BAR.y} width={length} height={BAR.height} rx="2" />
      <rect class="sabot-busy" x={LEFT} y={BAR.y} width={busy} height={BAR.height} rx="2" />
      {held > 0.5 && <path class="sabot-held" d={`M${LEFT + busy} ${middle}h${held}`} stroke-width={BAR.height} />}
      <text class="sabot-load" x={LEFT + width} y={BAR.y + BAR.height}>
        {loadText}
      </text>
    </>
  );
}

/** A dot per task, the busiest first: full, half or hollow; a cross for a failed task. */
function Dots({ dots, room }: { dots: Dot[]; room: number }) {
  const step = Math.min(8, room / dots.length);
  const radius = Math.min(2.6, step * 0.4);
  return (
    <g class="sabot-dots" transform={`translate(${LEFT + radius} 61.5)`}>
      {dots.map((dot, place) => (
        <path key={dot.index} class={`is-${dot.mark}`} d={dotPath(dot, place * step, radius)} />
      ))}
    </g>
  );
}

function dotPath({ mark, level }: Dot, x: number, r: number): string {
  if (mark === "failed") return `M${x - r} ${-r}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}`;
  const circle = `M${x - r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
  if (level === "high") return circle;
  const inner = r - 0.9;
  const hole = `M${x - inner} 0a${inner} ${inner} 0 0 1 ${2 * inner} 0`;
  return level === "some" ? `${circle}${hole}Z` : `${circle}${hole}a${inner} ${inner} 0 0 1 ${-2 * inner} 0Z`;
}

function Spark({ history, x }: { history: number[]; x: number }) {
  const points = sparkline(history, SPARK.width, SPARK.height);
  if (!points) return null;
  return (
    <g class="sabot-spark" transform={`translate(${x} ${SPARK.y})`}>
      <path class="sabot-spark-area" d={area(points, SPARK.width, SPARK.height)} />
      <path class="sabot-spark-line" d={points} />
    </g>
  );
}

function Badge({ x, text, bad }: { x: number; text: string; bad?: boolean }) {
  const width = text.length * 5.9 + 14;
  return (
    <g class={bad ? "sabot-badge is-bad" : "sabot-badge"} transform={`translate(${x - width - 8} -9)`}>
      <rect width={width} height="17" rx="8.5" />
      <text x={width / 2} y="12">
        {text}
      </text>
    </g>
  );
}
