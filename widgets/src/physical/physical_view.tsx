/** The physical view: a chip per task in a grid of agents and vertices, filled by its busy share. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { useTasks } from "../requests";
import { cut, rate, share } from "../format";
import { taskMark } from "../graph/figures";
import type { TaskMetrics } from "../messages";
import { LeftOut } from "../panel/left_out";
import { nodeWith, selectedNode, viewOf } from "../selection";
import type { Store } from "../store";
import { places } from "./places";

const LETTERS = 26;
const STEPS: Record<string, [number, number]> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

export function PhysicalView({ store }: { store: Store }) {
  const body = useRef<HTMLTableSectionElement>(null);
  const focused = useSignal("");
  const vertices = store.live.value?.metrics?.vertices ?? [];
  const { tasks, text } = useTasks(store, []);
  const rows = places(vertices, tasks ?? []);
  const first = rows.flatMap((row) => row.cells.flat())[0];
  const known = rows.some((row) => row.cells.flat().some((task) => name(task) === focused.value));
  const stop = known ? focused.value : first ? name(first) : "";
  const chosen = selectedNode(store)?.vertices ?? [];
  if (rows.length === 0) return <p class="sabot-nothing">{tasks ? "No task has been placed yet." : text}</p>;
  return (
    <div class="sabot-physical">
      <table>
        <caption class="sabot-spoken">Tasks by agent. Arrow keys move, Enter opens details.</caption>
        <thead>
          <tr>
            <th scope="col">agent</th>
            {vertices.map((one) => (
              <th key={one.id} scope="col" title={cut(one.id, 300)} class={chosen.includes(one.id) ? "is-chosen" : ""}>
                {cut(one.id, LETTERS)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body} onKeyDown={(event) => onArrow(event, body.current)}>
          {rows.map((row) => (
            <tr key={row.agent}>
              <th scope="row" title={cut(row.agent, 300)}>
                {cut(row.agent, LETTERS)}
              </th>
              {row.cells.map((tasks, column) => (
                <td key={column} class={chosen.includes(vertices[column]?.id ?? "") ? "is-chosen" : ""}>
                  <div>
                    {tasks.map((task) => (
                      <Chip
                        key={task.index}
                        task={task}
                        tabIndex={name(task) === stop ? 0 : -1}
                        onFocus={() => (focused.value = name(task))}
                        onClick={() => open(store, task)}
                      />
                    ))}
                  </div>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      <LeftOut shown={tasks?.length ?? 0} vertices={vertices} />
    </div>
  );
}

function Chip({
  task,
  tabIndex,
  onFocus,
  onClick,
}: {
  task: TaskMetrics;
  tabIndex: number;
  onFocus: () => void;
  onClick: () => void;
}) {
  const { busy, idle, backpressured } = task.load;
  const mark = taskMark(task.state);
  const running = mark === "running" && busy + idle + backpressured > 0.01;
  const label = [
    `${cut(task.vertex, 80)}[${task.index}] ${mark} on ${cut(task.agent || "no agent", 80)}`,
    ...(running
      ? [
          `busy ${share(busy)}, idle ${share(idle)}, backpressured ${share(backpressured)}`,
          `in ${rate(task.into.rows_rate)}, out ${rate(task.out.rows_rate)}`,
        ]
      : []),
  ].join(", ");
  const text = running ? (backpressured > busy ? `blocked ${share(backpressured)}` : share(busy)) : mark;
  return (
    <button
      type="button"
      class={`sabot-chip is-${mark}`}
      style={{ "--load": running ? busy + backpressured : 0 }}
      title={label}
      aria-label={label}
      {...{ tabIndex, onFocus, onClick }}
    >
      {running && <i class="sabot-chip-busy" style={{ width: `${100 * busy}%` }} />}
      {running && <i class="sabot-chip-held" style={{ left: `${100 * busy}%`, width: `${100 * backpressured}%` }} />}
      <span>[{task.index}]</span>
      <b>{text}</b>
    </button>
  );
}

/** Moves to the nearest cell in that direction that has a chip; within a cell along its chips. */
function onArrow(event: KeyboardEvent, body: HTMLTableSectionElement | null): void {
  const step = STEPS[event.key];
  const chip = event.target as HTMLElement;
  if (!step || !body) return;
  event.preventDefault();
  event.stopPropagation();
  const along = step[1] > 0 || step[0] > 0 ? chip.nextElementSibling : chip.previousElementSibling;
  if (along instanceof HTMLElement) return along.focus();
  const cell = chip.closest("td");
  const row = cell?.parentElement;
  if (!cell || !row) return;
  const cells = [...body.rows].map((one) => [...one.cells]);
  let [down, across] = [[...body.rows].indexOf(row as HTMLTableRowElement) + step[0], cell.cellIndex + step[1]];
  for (; cells[down]?.[across]; down += step[0], across += step[1]) {
    const chips = cells[down]?.[across]?.querySelectorAll("button") ?? [];
    const next = step[0] + step[1] > 0 ? chips[0] : chips[chips.length - 1];
    if (next) return next.focus();
  }
}

function open(store: Store, task: TaskMetrics): void {
  const node = nodeWith(viewOf(store.graph.value, "optimized"), task.vertex);
  store.tab.value = "tasks";
  if (node) store.selected.value = { kind: "node", id: node.id };
}

const name = (task: TaskMetrics): string => `${task.index} ${task.vertex}`;
