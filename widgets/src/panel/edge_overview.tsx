import { bytes, counted, rate, share } from "../format";
import type { EdgeMetrics } from "../messages";
import type { Store } from "../store";
import { Facts } from "./facts";
import { queueInWords, spreadInWords, watermarkInWords } from "./words";

/** The overview of an edge: its rates and queues, and the shares of the lower tasks. */
export function EdgeOverview({ store, edge }: { store: Store; edge: EdgeMetrics }) {
  const { sent, channels, port } = edge;
  const now = store.live.value?.metrics?.at ?? store.now.value;
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
          ["watermark", edge.watermark === null ? "" : watermarkInWords(edge.watermark, now)],
        ]}
      />
      <Shares store={store} edge={edge} />
    </>
  );
}

function Shares({ store, edge: { shares, down } }: { store: Store; edge: EdgeMetrics }) {
  if (shares.length === 0) {
    const several = (store.live.value?.metrics?.edges ?? []).filter((edge) => edge.down === down).length > 1;
    const why = several ? "counts the rows of all its inputs together" : "has received a row yet";
    return (
      <p class="sabot-faint">
        {several ? "Each" : "No"} task of {down} {why}.
      </p>
    );
  }
  const most = shares[0]?.part;
  const others = (store.vertices.value.get(down)?.tasks ?? 0) - shares.length;
  return (
    <>
      <h4>share of recent rows per task of {down}</h4>
      <ul class="sabot-shares">
        {shares.map(({ part, task }) => (
          <li key={task}>
            <span>task {task}</span>
            <span class="sabot-meter" aria-hidden="true">
              <span class="sabot-busy" style={{ width: `${most ? (part / most) * 100 : 0}%` }} />
            </span>
            <span class="sabot-right">{share(part)}</span>
          </li>
        ))}
      </ul>
      {others > 0 && <p class="sabot-faint">and {others} more tasks</p>}
    </>
  );
}
