/** Questions that a page asks again and again while somebody looks: the kernel sends only small things unasked. */
import { useEffect, useState } from "preact/hooks";
import type { Answer, Command, TaskMetrics } from "./messages";
import type { Kind, Store } from "./store";

export const PROBE_MS = 2000;
export const PROBE_ROWS = 50;
const TASKS_MS = 1000;

/** The last rows that left `target`, while `asks` is true. */
export function useProbe(store: Store, target: string, asks: boolean): { answer: Answer | null; again: () => void } {
  return useAnswers(store, "probe", { target, rows: PROBE_ROWS }, asks && target !== "", PROBE_MS);
}

/** The tasks of some vertices, or of all if none is named; until they are there, `text` says what keeps them. */
export function useTasks(store: Store, vertices: readonly string[]): { tasks: TaskMetrics[] | null; text: string } {
  const asks = usePageVisible() && !store.lost.value;
  const { answer } = useAnswers(store, "tasks", { vertices }, asks, TASKS_MS);
  return { tasks: answer?.tasks ?? null, text: answer?.text || store.lost.value || "Fetching tasks…" };
}

/**
 * The last answer to a question. Asks at once, and again some time after each answer as long as `asks` is true and the
 * job is not over; a refusal ends the asking until `again` is called. Nobody says that he does not look any more.
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
  // the answer to another question is none to this one
  return { answer: last?.key === key ? last.answer : null, again: () => setRound(round + 1) };
}

/** Whether the page is in sight: a tab in the background asks for nothing. */
export function usePageVisible(): boolean {
  const [visible, setVisible] = useState(!document.hidden);
  useEffect(() => {
    const look = () => setVisible(!document.hidden);
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  return visible;
}
