/** The header: the job's name, state and totals, and its buttons. */
import { ago, cut, rate, seconds, share, brief } from "../format";
import type { Throughput, JobMetrics } from "../messages";
import type { Store } from "../store";
import { Controls } from "./controls";
import { Icon } from "./icon";
import { stateOf, uptime } from "./state";

const NAME_LETTERS = 60;
const WHOLE_LETTERS = 500;

export function Header({ store }: { store: Store }) {
  const graph = store.graph.value;
  const metrics = store.live.value?.metrics;
  const { word, sign } = stateOf(metrics, store.lost.value);
  const name = metrics?.job || graph?.job || "";
  return (
    <header class="sabot-header">
      <div class="sabot-head">
        <span class="sabot-name" title={cut(name, WHOLE_LETTERS)}>
          {cut(name, NAME_LETTERS)}
        </span>
        <span class={`sabot-state is-${sign}`}>
          <Icon sign={sign} />
          {word}
        </span>
        {graph?.note && <span class="sabot-faint">{cut(graph.note, WHOLE_LETTERS)}</span>}
      </div>
      {metrics && <Figures metrics={metrics} store={store} />}
      <Controls store={store} />
      {metrics && metrics.progress !== null && !store.over.value && <Progress value={metrics.progress} />}
    </header>
  );
}

function Figures({ metrics, store }: { metrics: JobMetrics; store: Store }) {
  const over = store.over.value;
  const sinceNews = store.fresh.value && !metrics.paused && !over ? store.now.value - store.lastNews.value : 0;
  const flow = ({ rows, rows_rate }: Throughput): string => (over ? brief(rows) : rate(rows_rate));
  return (
    <dl class={store.fresh.value ? "sabot-figures" : "sabot-figures is-old"}>
      <Figure name={over ? "ran" : metrics.started === null ? "waits" : "up"} value={uptime(metrics, sinceNews)} />
      <Figure name={over ? "rows in" : "in"} value={flow(metrics.rows_in)} />
      <Figure name={over ? "rows out" : "out"} value={flow(metrics.rows_out)} />
      {metrics.lag !== null && <Figure name="lag" value={seconds(metrics.lag)} />}
      {metrics.checkpointed !== null && !over && (
        <Figure name="checkpoint" value={ago(metrics.at + Math.max(0, sinceNews) - metrics.checkpointed)} />
      )}
      {metrics.late > 0 && <Figure name="late" value={brief(metrics.late)} />}
      {metrics.progress !== null && !over && <Figure name="read" value={share(metrics.progress)} />}
    </dl>
  );
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Progress({ value }: { value: number }) {
  const percent = Math.round(100 * Math.min(1, Math.max(0, value)));
  return (
    <div
      class="sabot-progress"
      role="progressbar"
      aria-label="Input read"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
    >
      <div style={{ width: `${percent}%` }} />
    </div>
  );
}
