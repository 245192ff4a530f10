/** Buttons for pause, resume, stop and cancel. A click does nothing while the previous one is not answered. */
import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Kind, Store } from "../store";

const TITLES = {
  pause: "Sources stop reading; rows already read are processed",
  resume: "Sources continue reading",
  stop: "Sources end; rows already read are processed, then committed",
  cancel: "End at once and remove the output",
};

/** Milliseconds within which the second click of a double-click arrives. */
const DOUBLE_CLICK_MS = 600;

export function Controls({ store }: { store: Store }) {
  const asked = useSignal(false);
  const returning = useRef(false);
  const metrics = store.live.value?.metrics;
  const settling = useSettling(`${asked.value} ${metrics?.paused} ${metrics?.stopping}`);
  if (!metrics || store.over.value) return null;
  const close = (): void => {
    asked.value = false;
    returning.current = true;
  };
  if (asked.value)
    return <Confirmation settling={settling} onYes={() => [close(), void store.send("cancel")]} onNo={close} />;
  const focusReturned = (button: HTMLButtonElement | null): void => {
    if (button && returning.current) button.focus();
    if (button) returning.current = false;
  };
  const kind: Kind = metrics.paused ? "resume" : "pause";
  return (
    <div class="sabot-controls" role="group" aria-label="Job" {...settling}>
      {!metrics.stopping && (
        <>
          <Control
            store={store}
            kind={kind}
            text={metrics.paused ? "Resume" : "Pause"}
            waiting={metrics.paused ? "Resuming…" : "Pausing…"}
          />
          <Control store={store} kind="stop" text="Stop" waiting="Stopping…" />
        </>
      )}
      <button type="button" ref={focusReturned} title={TITLES.cancel} onClick={() => (asked.value = true)}>
        {isWaiting(store, "cancel") ? "Canceling…" : "Cancel"}
      </button>
    </div>
  );
}

/** Ignores clicks on a button just after its meaning has changed: a double-click on Pause must not resume. */
function useSettling(meaning: string) {
  const settled = useSignal(meaning);
  useLayoutEffect(() => {
    const timer = setTimeout(() => (settled.value = meaning), DOUBLE_CLICK_MS);
    return () => clearTimeout(timer);
  }, [meaning]);
  const waits = settled.value !== meaning;
  return { "aria-disabled": waits, onClickCapture: (event: Event) => waits && event.stopPropagation() };
}

function Control(props: { store: Store; kind: "pause" | "resume" | "stop"; text: string; waiting: string }) {
  const { store, kind } = props;
  const waits = isWaiting(store, kind);
  return (
    <button type="button" title={TITLES[kind]} aria-busy={waits} onClick={() => void (waits || store.send(kind))}>
      {waits ? props.waiting : props.text}
    </button>
  );
}

/** The confirmation, in place of the buttons, so that nothing covers the page; the harmless button has the focus. */
function Confirmation({ settling, onYes, onNo }: { settling: object; onYes: () => void; onNo: () => void }) {
  const harmless = useRef<HTMLButtonElement>(null);
  useEffect(() => harmless.current?.focus(), []);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    onNo();
  };
  return (
    <div class="sabot-controls is-asking" role="group" aria-label="Cancel the job?" onKeyDown={onKeyDown} {...settling}>
      <span>Cancel the job?</span>
      <button type="button" class="is-danger" onClick={onYes}>
        Yes, cancel
      </button>
      <button type="button" ref={harmless} onClick={onNo}>
        Keep it running
      </button>
    </div>
  );
}

const isWaiting = (store: Store, kind: Kind): boolean => store.pending.value.some((one) => one.kind === kind);
