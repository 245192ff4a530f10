/** Requests that a page repeats while their answer is visible: the kernel sends only small messages by itself. */
import { useEffect, useState } from "preact/hooks";
import type { Answer, Command, RejectedMessage, TaskMetrics } from "./messages";
import type { Kind, Store } from "./store";

export const PROBE_MS = 2000;
export const PROBE_ROWS = 50;
const TASKS_MS = 1000;
const REJECTED_MS = 2000;

/** Returns the last rows that left `target`, while `asks` is true. */
export function useProbe(store: Store, target: string, asks: boolean): { answer: Answer | null; again: () => void } {
  return useAnswers(store, "probe", { target, rows: PROBE_ROWS }, asks && target !== "", PROBE_MS);
}

/** Returns the tasks of some vertices, or of all if none is named; until they arrive, `text` is the reason. */
export function useTasks(store: Store, vertices: readonly string[]): { tasks: TaskMetrics[] | null; text: string } {
  const asks = usePageVisible() && !store.lost.value;
  const { answer } = useAnswers(store, "tasks", { vertices }, asks, TASKS_MS);
  return { tasks: answer?.tasks ?? null, text: answer?.text || store.lost.value || "Fetching tasks…" };
}

/** Returns the last late and failing rows of some operators; until they arrive, `text` is the reason. */
export function useRejected(store: Store, operators: readonly string[]): { tables: RejectedMessage[] | null; text: string } {
  const asks = usePageVisible() && !store.lost.value && operators.length > 0;
  const { answer } = useAnswers(store, "samples", { operators }, asks, REJECTED_MS);
  return { tables: answer?.rejected ?? null, text: answer?.text || store.lost.value || "Fetching rows…" };
}

/**
 * Returns the last answer to a request. Sends it at once, and again `ms` after each answer while `asks` is true and the
 * job is not over; a refusal stops this until `again` is called. The kernel is not told when requests stop.
 */
function useAnswers(store: Store, kind: Kind, args: Command["args"], asks: boolean, ms: number) {
  const [last, setLast] = useState<{ key: string; answer: Answer } | null>(null);
  const [round, setRound] = useState(0);
  const key = JSON.stringify(args);
  const over = store.over.value;
  useEffect(() => {
    if (!asks) return;
    let looking = true;
    let timer: ReturnType<typeof setTimeout>;
    const ask = async () => {
      const answer = await store.send(kind, args);
      if (!looking) return;
      setLast({ key, answer });
      if (answer.ok && !over) timer = setTimeout(ask, ms);
    };
    void ask();
    return () => {
      looking = false;
      clearTimeout(timer);
    };
  }, [store, key, asks, over, round]);
  // an answer to other arguments must not be shown for these
  return { answer: last?.key === key ? last.answer : null, again: () => setRound(round + 1) };
}

/** Returns whether the page is visible: a tab in the background sends no requests. */
export function usePageVisible(): boolean {
  const [visible, setVisible] = useState(!document.hidden);
  useEffect(() => {
    const look = () => setVisible(!document.hidden);
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  return visible;
}
