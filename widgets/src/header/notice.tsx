/** The result of a click, and the reason why metrics are not updated; screen readers announce it, and state changes. */
import { counted, cut, seconds, time } from "../format";
import type { Pending, Store } from "../store";
import { stateOf } from "./state";

const SHOWN_SECONDS = 20;
const LETTERS = 400;
/** Seconds after which an answer is overdue; a probe itself takes up to two. */
const PATIENCE = { command: 1, look: 4 };

export function Notice({ store }: { store: Store }) {
  const texts = troubles(store);
  const last = store.notice.value;
  const answer = last && store.now.value - last.at < SHOWN_SECONDS ? last : null;
  return (
    <>
      {texts.map((text) => (
        <div key={text.slice(0, 8)} class="sabot-notice is-waiting">
          {text}
        </div>
      ))}
      {answer && (
        <div class={answer.ok ? "sabot-notice" : "sabot-notice is-refused"}>
          <span>
            {answer.ok ? "✓" : "✕"} {cut(answer.text, LETTERS)}
          </span>
          <button type="button" aria-label="Dismiss" onClick={() => (store.notice.value = null)}>
            ×
          </button>
        </div>
      )}
      <Spoken store={store} />
    </>
  );
}

function troubles(store: Store): string[] {
  const { trouble, metrics } = store.live.value ?? {};
  const seen = metrics ? `Last seen ${stateOf(metrics).word} at ${time(metrics.at)}: ` : "";
  if (store.lost.value) return [cut(seen + store.lost.value, LETTERS)];
  if (trouble) return [cut(`${trouble}: asking again`, LETTERS)];
  const now = store.now.value;
  const missed = store.pending.value.filter((one) => now - one.since >= patience(one));
  if (missed.length) {
    const kinds = [...new Set(missed.map((one) => `"${one.kind}"`))].join(", ");
    return [`waiting for the kernel to answer ${kinds} (a cell may be running)`];
  }
  if (store.fresh.value) return [];
  return [`no update for ${seconds(now - store.lastNews.value)}: the kernel is busy or gone, metrics are outdated`];
}

/** A live region that always exists: screen readers miss text that appears together with its region. */
function Spoken({ store }: { store: Store }) {
  const metrics = store.live.value?.metrics;
  const tasks = metrics?.vertices.reduce((sum, one) => sum + one.tasks, 0) ?? 0;
  const failed = metrics?.error ? `: ${cut(metrics.error.message, LETTERS)}` : "";
  const running = metrics && stateOf(metrics).sign === "running" ? `, ${counted(tasks, "task")}` : "";
  return (
    <div class="sabot-spoken" role="status" aria-live="polite">
      {metrics && `Job ${cut(metrics.job, LETTERS)} is ${stateOf(metrics, store.lost.value).word}${running}${failed}. `}
      {store.notice.value && cut(store.notice.value.text, LETTERS)}
    </div>
  );
}

const patience = (one: Pending): number => (["probe", "tasks"].includes(one.kind) ? PATIENCE.look : PATIENCE.command);
