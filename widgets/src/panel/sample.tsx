/** The rows of the selected box or edge, requested only while they are visible. */
import { useRef, useState } from "preact/hooks";

import { usePageVisible, useProbe } from "../requests";
import { share } from "../format";
import type { Answer, SampleMessage } from "../messages";
import type { Store } from "../store";
import { CopyButton } from "../table/copy_button";
import { LongText } from "../table/long_text";
import { RowsTable, tsv } from "../table/rows_table";
import { useSelecting } from "../table/selecting";
import type { Subject } from "./subject";
import { listed, seenInWords, watermarkInWords } from "./words";
import { SmallButton } from "../table/small_button";

export function Sample({ store, subject }: { store: Store; subject: Subject }) {
  const targets = targetsOf(subject);
  const [target, setTarget] = useState(() => lively(subject, targets));
  const [pressed, setPressed] = useState(false);
  const whole = useRef<HTMLDivElement>(null);
  const selecting = useSelecting(whole);
  const paused = pressed || selecting;
  const over = store.over.value;
  const { answer, again } = useProbe(store, target, usePageVisible() && !paused && !over);
  const sample = answer?.sample;
  return (
    <div class="sabot-sample" ref={whole}>
      <div class="sabot-row">
        {targets.length > 1 && (
          <select aria-label="rows of which operator" onChange={(event) => setTarget(event.currentTarget.value)}>
            {targets.map((one) => (
              <option key={one} value={one} selected={one === target}>
                {one}
              </option>
            ))}
          </select>
        )}
        {target && !over && (
          <SmallButton aria-pressed={pressed} onClick={() => setPressed(!pressed)}>
            Pause
          </SmallButton>
        )}
        {sample && sample.rows.length > 0 && <CopyButton text={() => tsv(sample.columns, sample.rows)} label="copy as TSV" />}
        {answer?.ok === false && !over && (
          <SmallButton onClick={again}>
            retry
          </SmallButton>
        )}
        <span role="status" class="sabot-faint">
          {paused && !over && (pressed ? "paused" : "paused while text is selected")}
        </span>
      </div>
      {sample && <Seen sample={sample} now={store.now.value} />}
      <p role="status">{target ? outcome(store, answer) : nowhere(subject)}</p>
    </div>
  );
}

/** Returns the targets of a probe: an edge, or operators that run. */
function targetsOf(subject: Subject): string[] {
  if (subject.kind === "edge") return [subject.edge.id];
  return subject.cards.filter(({ vertex }) => vertex !== "").map(({ id }) => id);
}

/** Returns the last target with rows; else the last target. A partial aggregate may send none for long. */
function lively(subject: Subject, targets: readonly string[]): string {
  const made = subject.kind === "node" ? subject.vertices.flatMap(({ operators }) => operators) : [];
  const flowing = new Set(made.filter(({ rows }) => rows > 0).map(({ id }) => id));
  return targets.filter((one) => flowing.has(one)).pop() ?? targets[targets.length - 1] ?? "";
}

function nowhere(subject: Subject): string {
  const note = subject.kind === "node" ? subject.note : "";
  return note ? `No task runs this operator, so it emits no rows: ${note}` : "No task runs this operator, so it emits no rows.";
}

/** Returns why there are no rows, or no new ones; else empty. */
function outcome(store: Store, answer: Answer | null): string {
  const has = (answer?.sample?.rows.length ?? 0) > 0;
  if (store.lost.value) return store.lost.value;
  if (store.over.value) return has ? "The job has ended: these are the last rows seen." : "The job has ended: no more rows.";
  if (!answer) return store.fresh.value ? "Fetching rows…" : "Fetching rows… the kernel does not answer.";
  if (!answer.ok) return answer.text;
  const note = answer.sample?.note || (has ? "" : answer.text || "No rows yet.");
  return store.live.value?.metrics?.paused && !has ? `${note} The job is paused.` : note;
}

function Seen({ sample, now }: { sample: SampleMessage; now: number }) {
  const { columns, rows, seen, seconds, watermark } = sample;
  return (
    <>
      <div class="sabot-seen">
        {sample.operator}: {seenInWords(seen, seconds)}
      </div>
      {watermark !== null && <div class="sabot-faint">watermark {watermarkInWords(watermark, now)}</div>}
      <HotKeys sample={sample} />
      {columns.length > 0 && <RowsTable label={`rows of ${sample.operator}`} columns={columns} rows={rows} />}
    </>
  );
}

function HotKeys({ sample: { keys, hot } }: { sample: SampleMessage }) {
  if (hot.length === 0) return null;
  return (
    <section>
      <h4>most frequent {listed(keys)}</h4>
      <ul class="sabot-shares sabot-hot">
        {hot.map(({ key, share: part }, place) => (
          <li key={place}>
            <span class="sabot-key">
              <LongText text={key} most={40} />
            </span>
            <span class="sabot-meter" aria-hidden="true">
              <span class="sabot-busy" style={{ width: `${part * 100}%` }} />
            </span>
            <span class="sabot-right">{share(part)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
