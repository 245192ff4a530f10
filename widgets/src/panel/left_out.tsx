import { count, counted } from "../format";
import type { VertexMetrics } from "../messages";

/** Says that there are more tasks than the kernel has sent. */
export function LeftOut({ shown, vertices }: { shown: number; vertices: readonly VertexMetrics[] }) {
  const all = vertices.reduce((sum, { tasks }) => sum + tasks, 0);
  return shown < all ? <p class="sabot-faint">{`the ${count(shown)} busiest of ${counted(all, "task")}`}</p> : null;
}
