import { count, counted, manyLate, rate, seconds, share } from "../format";
import type { Load, OperatorCard, OperatorMetrics, VertexMetrics } from "../messages";
import type { Store } from "../store";
import { LongText } from "../table/long_text";
import { SmallButton } from "../table/small_button";
import { Facts } from "./facts";
import type { NodeSubject } from "./subject";
import { instant, lateInWords, latencyInWords, listed, loadInWords, queueInWords, skewInWords, tasksByState, total, unbroken, watermarkInWords } from "./words";

/** The overview of a box: its tasks, rates and loads. A group of vertices has a section for each. */
export function Overview({ store, subject }: { store: Store; subject: NodeSubject }) {
  const { vertices, cards, note } = subject;
  const rows = new Map(vertices.flatMap(({ operators }) => operators.map(({ id, ...made }) => [id, made])));
  return (
    <>
      {note && <p>{note}</p>}
      <ul class="sabot-operators">
        {cards.map((card) => (
          <Operator key={card.id} store={store} card={card} made={rows.get(card.id)} />
        ))}
      </ul>
      {vertices.length === 0 && <p class="sabot-faint">No task runs it{note ? "." : " yet."}</p>}
      {vertices.map((vertex) => (
        <section key={vertex.id}>
          {vertices.length > 1 && <h4>{vertex.id}</h4>}
          {vertex.operators.length > cards.length && <p class="sabot-faint">{chain(vertex)}</p>}
          <LoadBar load={vertex.load} />
          <Figures store={store} vertex={vertex} />
          <History rates={vertex.history} />
        </section>
      ))}
    </>
  );
}

/** Metrics are per chain, as tasks run chains: a box of one operator shows those of its chain. */
function chain({ operators }: VertexMetrics): string {
  return `Runs in a chain: these are the metrics of ${listed(operators.map(({ id }) => id))} together.`;
}

function Operator({ store, card, made }: { store: Store; card: OperatorCard; made: Omit<OperatorMetrics, "id"> | undefined }) {
  const showLate = () => {
    store.tab.value = "rejected";
  };
  return (
    <li>
      <b>{card.id}</b> <span class="sabot-faint">{card.kind}</span>
      <div>
        <LongText text={card.text} />
      </div>
      {made && (
        <div class="sabot-faint">
          {counted(made.rows, "row")} {card.kind === "sink" ? "received" : "emitted"}, {rate(made.rows_rate)}
          {made.busy >= 0.005 && `, ${share(made.busy)} of its tasks’ time`}
        </div>
      )}
      {made?.awaited != null && <div class="sabot-faint">next result at {instant(made.awaited)}</div>}
      {made && made.late > 0 && (
        <div>
          <span class={manyLate(made.late_share) ? "sabot-bad" : "sabot-faint"}>{lateInWords(made)}</span>{" "}
          <SmallButton onClick={showLate}>show</SmallButton>
        </div>
      )}
    </li>
  );
}

function Figures({ store, vertex }: { store: Store; vertex: VertexMetrics }) {
  const now = store.live.value?.metrics?.at ?? store.now.value;
  const facts: [string, string][] = [
    ["tasks", tasksByState(vertex)],
    ["rows in", vertex.role === "source" ? "" : `${rate(vertex.into.rows_rate)}, ${total(vertex.into)}`],
    ["rows out", `${rate(vertex.out.rows_rate)}, ${total(vertex.out)}`],
    ["busiest", vertex.busiest ? `task ${vertex.busiest_task}, ${share(vertex.busiest)} busy` : ""],
    ["spread", skewInWords(vertex)],
    ["queue", vertex.role === "source" ? "" : queueInWords(vertex)],
    ["latency", vertex.role === "source" ? "" : latencyInWords(vertex.latency)],
    ["watermark", watermarkInWords(vertex.watermark, now)],
    ["late", vertex.late ? counted(vertex.late, "row") : ""],
    ["idle", vertex.idle_since === null ? "" : `no rows for ${seconds(Math.max(0, now - vertex.idle_since))}`],
  ];
  return <Facts facts={facts} />;
}

/** Busy, backpressured and idle as a bar, with the same shares as text. */
function LoadBar({ load }: { load: Load }) {
  const words = loadInWords(load);
  return (
    <div>
      <div class="sabot-meter" role="img" aria-label={`load: ${words}`}>
        <span class="sabot-busy" style={{ width: `${load.busy * 100}%` }} />
        <span class="sabot-blocked" style={{ width: `${load.backpressured * 100}%` }} />
      </div>
      <div class="sabot-faint">{unbroken(words)}</div>
    </div>
  );
}

/** Rows per second, a point per second, the newest at the right. */
function History({ rates }: { rates: readonly number[] }) {
  if (rates.length < 2) return null;
  const most = Math.max(...rates, 1);
  const points = rates.map((one, at) => `${(at / (rates.length - 1)) * 240},${35 - (one / most) * 32}`).join(" ");
  return (
    <figure class="sabot-history">
      <svg viewBox="0 0 240 38" preserveAspectRatio="none" role="img" aria-label={`rows per second, at most ${count(most)}`}>
        <polyline points={points} fill="none" vector-effect="non-scaling-stroke" />
      </svg>
      <figcaption class="sabot-faint">
        rows per second in the last {seconds(rates.length)}, at most {rate(most)}
      </figcaption>
    </figure>
  );
}
