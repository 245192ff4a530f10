/** The placement of tasks: agents as rows, vertices as columns. Pure. */
import type { TaskMetrics, VertexMetrics } from "../messages";

export interface Place {
  agent: string;
  /** The agent's tasks of each vertex, in the order of the vertices. */
  cells: TaskMetrics[][];
}

/** Returns the rows; `NOWHERE` has the tasks without an agent. */
export const NOWHERE = "not placed yet";

export function places(vertices: readonly VertexMetrics[], tasks: readonly TaskMetrics[]): Place[] {
  const ordered = [...tasks].sort((one, other) => one.index - other.index);
  const columns = vertices.map(({ id }) => ordered.filter((task) => task.vertex === id));
  const agents = [...new Set(columns.flat().map(agentOf))].sort(byNumber);
  return agents.map((agent) => ({
    agent,
    cells: columns.map((column) => column.filter((task) => agentOf(task) === agent)),
  }));
}

const agentOf = (task: TaskMetrics): string => task.agent || NOWHERE;

/** Sorts `agent-10` after `agent-9`, and tasks without an agent last. */
function byNumber(one: string, other: string): number {
  const last = Number(one === NOWHERE) - Number(other === NOWHERE);
  return last || one.localeCompare(other, "en", { numeric: true });
}
