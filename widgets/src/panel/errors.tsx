import type { JobFailure } from "../messages";
import { showOperator } from "../selection";
import type { Store } from "../store";
import { CopyButton } from "../table/copy_button";
import { LongText } from "../table/long_text";
import type { NodeSubject } from "./subject";
import { tracebackLines } from "./traceback";

const LETTERS_AT_FIRST = 4000;

/** The failure of the job if it happened in the selected box, else where it happened. */
export function Errors({ store, subject }: { store: Store; subject: NodeSubject }) {
  const error = store.live.value?.metrics?.error;
  if (subject.failure) return <Failure failure={subject.failure} />;
  if (!error) return <p class="sabot-faint">No errors in this operator.</p>;
  const place = error.operator || error.vertex;
  if (!place) return <Failure failure={error} />;
  return (
    <p>
      No error here. The job failed at{" "}
      <button type="button" class="sabot-link" onClick={() => showOperator(store, place)}>
        {place}
      </button>
      .
    </p>
  );
}

function Failure({ failure }: { failure: JobFailure }) {
  const { kind, message, traceback, sample, everything } = failure;
  return (
    <div class="sabot-failure">
      <h4 role="alert">
        <span class="sabot-error">{kind}</span> <LongText text={message} most={600} />
      </h4>
      {traceback && <Traceback text={traceback} />}
      {sample && (
        <section>
          <h4>rows it was given</h4>
          <pre tabIndex={0} aria-label="rows it was given">
            <LongText text={sample} most={LETTERS_AT_FIRST} />
          </pre>
          <CopyButton text={() => sample} label="copy rows" />
        </section>
      )}
      {everything && (
        <details>
          <summary>full worker traceback</summary>
          <pre tabIndex={0} aria-label="full worker traceback">
            {everything}
          </pre>
          <CopyButton text={() => everything} label="copy full traceback" />
        </details>
      )}
    </div>
  );
}

function Traceback({ text }: { text: string }) {
  return (
    <section>
      <pre class="sabot-traceback" tabIndex={0} aria-label="traceback of your code">
        {tracebackLines(text).map(({ text: line, role }, place) => (
          <div key={place} class={`sabot-${role}`}>
            {role === "failing" ? <mark>{line}</mark> : <LongText text={line} most={LETTERS_AT_FIRST} />}
          </div>
        ))}
      </pre>
      <CopyButton text={() => text} label="copy traceback" />
    </section>
  );
}
