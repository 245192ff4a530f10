import { bytes, counted, rate, share } from "../format";
import type { EdgeMetrics } from "../messages";
import { Facts } from "./facts";
import { queueInWords, spreadInWords } from "./words";

const MOST_TASKS = 24;

/** How rows travel on an edge, and which task below gets how many of them. */
export function EdgeOverview({ edge }: { edge: EdgeMetrics }) {
  const { sent, channels, port } = edge;
  return (
    <>
      <Facts
        facts={[
          ["spread", spreadInWords(edge.type, edge.keys)],
          ["to port", port ? `${port} (the right side)` : ""],
          ["channels", counted(channels, "channel")],
          ["rate", `${rate(sent.rows_rate)} rows, ${bytes(sent.bytes_rate)}/s`],
          ["sent", `${counted(sent.rows, "row")}, ${bytes(sent.bytes)}`],
          ["queue", queueInWords(edge)],
        ]}
      />
      <Shares edge={edge} />
    </>
  );
}

function Shares({ edge: { sent, shares, down } }: { edge: EdgeMetrics }) {
  if (shares.length === 0) {
    const why = sent.rows ? "counts the rows of all its edges together" : "has taken a row yet";
    return (
      <p class="sabot-faint">
        {sent.rows ? "Each" : "No"} task of {down} {why}.
      </p>
    );
  }
  const most = Math.max(...shares);
  const ranked = shares.map((part, task) => ({ part, task })).sort((one, other) => other.part - one.part);
  return (
    <>
      <h4>share of each task of {down}</h4>
      <ul class="sabot-shares">
        {ranked.slice(0, MOST_TASKS).map(({ part, task }) => (
          <li key={task}>
            <span>task {task}</span>
            <span class="sabot-meter" aria-hidden="true">
              <span class="sabot-busy" style={{ width: `${most ? (part / most) * 100 : 0}%` }} />
            </span>
            <span class="sabot-right">{share(part)}</span>
          </li>
        ))}
      </ul>
      {ranked.length > MOST_TASKS && <p class="sabot-faint">and {ranked.length - MOST_TASKS} tasks with less</p>}
    </>
  );
}
